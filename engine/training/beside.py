"""What is trained beside a model's own weights, and what the model sees in their place.

Owns the protocol of such an addition (filter skeletons, gates, scales) and the swap of values while
a step is traced: layers stay as they are, they only read other numbers. It knows no method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import keras


class Beside(Protocol):
    """An addition to a model, for one fine-tune. All methods run inside the traced step."""

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """What is trained with the model's weights, without decay."""
        ...

    @property
    def state(self) -> Sequence[keras.Variable]:
        """All that a checkpoint must hold, in a fixed order; ``variables`` among it."""
        ...

    def begin_step(self, rate: Any, /) -> None:
        """Before the forward pass, with the step's learning rate; may assign."""
        ...

    def seen(self) -> Sequence[tuple[keras.Variable, Any]]:
        """Variables of the model and the tensors that it sees in their place."""
        ...

    def penalty(self) -> Any:
        """A scalar that is added to the loss."""
        ...


@contextmanager
def seen_in(model: keras.Model, beside: Beside | None) -> Iterator[None]:
    """Within, a model sees what ``beside`` says; what it assigns meanwhile is assigned at the end.

    To be held around a call that is being traced. Gradients reach the weights and the additions
    through the values that are seen.
    """
    if beside is None:
        yield
        return
    # Regularisers are given what the scope has of their weight, so it must have all of them
    values = [(variable, variable.value) for variable in model.trainable_variables]
    values += beside.seen()
    with keras.StatelessScope(values, collect_losses=True, initialize_variables=False) as scope:
        yield
    for variable in model.non_trainable_variables:
        value = scope.get_current_value(variable)
        if value is not None:
            variable.assign(value)
