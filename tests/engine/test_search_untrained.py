"""What is made of a candidate without training can be stopped at any filter."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import keras
import numpy as np
import pytest

from engine.control import EngineControl, Stopped
from engine.modelfile.graph import Weights
from engine.search.context import Context
from engine.search.models import Candidate
from engine.search.untrained import Untrained
from engine.sparsity.levels import levels_global, prunable_weights
from tests.engine.opened import opened

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FILTERS = 8


class StopsAfter(EngineControl):
    """Asks for a stop at a checkpoint."""

    def __init__(self, checkpoints: int) -> None:
        super().__init__()
        self.left = checkpoints

    def checkpoint(self) -> None:
        """Count down."""
        if self.left == 0:
            self.obey("stop")
        self.left -= 1
        super().checkpoint()


def made(untrained: Untrained, candidate: Candidate) -> dict[str, Callable[[], Weights]]:
    return {
        "rounded": lambda: untrained.rounded(candidate, 7),
        "trimmed": lambda: untrained.trimmed(candidate, 0.5),
    }


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    inputs = keras.Input((6,))
    x = keras.layers.Dense(5, name="first")(inputs)
    x = keras.layers.Dense(FILTERS, name="inner")(x)
    graph, weights = opened(keras.Model(inputs, keras.layers.Dense(2, name="last")(x)))
    return Candidate(graph=graph, weights=weights)


def context_of(candidate: Candidate) -> Context:
    images = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    return cast(
        Context,
        SimpleNamespace(
            data=SimpleNamespace(train=SimpleNamespace(images=images)),
            job=SimpleNamespace(seed=0),
            transform=lambda batch: batch,
            levels=lambda candidate, sparsity: levels_global(
                candidate.weights, prunable_weights(candidate.graph), sparsity
            ),
        ),
    )


@pytest.mark.parametrize("how", ["rounded", "trimmed"])
def test_that_a_stop_is_met_between_filters_and_not_at_the_end_only(
    how: str, candidate: Candidate
) -> None:
    context = context_of(candidate)
    counting = StopsAfter(1000)
    whole = made(Untrained(context, counting), candidate)[how]()
    met = 1000 - counting.left
    assert met > FILTERS, "one for each filter, and those of the pass over the images"
    assert not np.array_equal(whole["inner"]["kernel"], candidate.weights["inner"]["kernel"])
    with pytest.raises(Stopped):
        made(Untrained(context, StopsAfter(met - 1)), candidate)[how]()
