"""What a fine-tune must remember between epochs to go on as if nothing had happened.

Owns the list of that state (weights, optimiser slots and counter, random states, masks) and its
form: arrays by name, ready for an ``.npz`` without pickle. It writes no file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from engine.sparsity.masks import Masks
from engine.training.beside import Beside
from engine.training.model_parts import random_states


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainState:
    """All that a fine-tune needs to go on after ``epoch`` epochs: arrays by name."""

    epoch: int
    arrays: dict[str, np.ndarray]


def seed_dropout(model: keras.Model, seed: int) -> None:
    """Set every random state inside the model from one seed."""
    for index, state in enumerate(random_states(model)):
        state.assign(np.array([seed, index], dtype=state.dtype))


def capture_state(
    epoch: int,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    masks: Masks | None,
    beside: Beside | None = None,
) -> TrainState:
    """A copy of the state after an epoch."""
    arrays = {name: v.numpy() for name, v in _variables(model, optimizer, beside)}
    if masks is not None:
        arrays |= {f"mask/{name}": mask for name, mask in masks.state().items()}
    return TrainState(epoch=epoch, arrays=arrays)


def restore_state(
    state: TrainState,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    masks: Masks | None,
    beside: Beside | None = None,
) -> None:
    """Put a captured state back into a model, an optimiser and masks made as they were then.

    Raises
    ------
    ValueError
        Where the state is another model's or another request's.
    """
    for name, variable in _variables(model, optimizer, beside):
        if name not in state.arrays or state.arrays[name].shape != tuple(variable.shape):
            raise ValueError(f"the saved state does not fit this fine-tune: {name}")
        variable.assign(state.arrays[name])
    if masks is not None:
        prefix = "mask/"
        masks.restore(
            {n.removeprefix(prefix): a for n, a in state.arrays.items() if n.startswith(prefix)}
        )


def _variables(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, beside: Beside | None
) -> Iterator[tuple[str, keras.Variable]]:
    """Every variable of the state by a name that only depends on the order."""
    for index, weight in enumerate(model.weights):
        yield f"weight/{index}", weight
    for index, state in enumerate(random_states(model)):
        yield f"random/{index}", state
    for index, variable in enumerate(optimizer.variables):
        yield f"optimizer/{index}", variable
    for index, variable in enumerate(() if beside is None else beside.state):
        yield f"beside/{index}", variable
