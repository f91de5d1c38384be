"""Settings: rates over the steps, defaults, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.training.settings import (
    FineTuneSettings,
    default_settings,
    learning_rate_at,
    steps_per_epoch,
)


@given(steps=st.integers(1, 500), warmup=st.floats(0, 0.9))
def test_that_the_rate_rises_to_its_peak_and_falls_in_a_line_to_almost_nothing(
    steps: int, warmup: float
) -> None:
    settings = FineTuneSettings(epochs=1, learning_rate=0.1, warmup_share=warmup)
    rates = np.array([learning_rate_at(step, steps, settings) for step in range(1, steps + 1)])
    peak = int(rates.argmax())
    assert rates.max() <= 0.1 + 1e-12
    assert (rates > 0).all()
    assert (np.diff(rates[: peak + 1]) > 0).all()
    falls = np.diff(rates[peak:])
    assert (falls < 0).all()
    np.testing.assert_allclose(falls, falls[:1].repeat(len(falls)))
    if peak + 1 < steps:
        assert rates[-1] == pytest.approx(-falls[0])


@pytest.mark.parametrize(
    ("compiled", "expected"),
    [
        (None, "adam"),
        ({}, "adam"),
        ({"optimizer": "SGD"}, "sgd"),
        ({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 1e-5}}}, "sgd"),
        ({"optimizer_config": {"class_name": "Custom>SGD"}}, "sgd"),
        ({"optimizer": {"class_name": "RMSprop"}}, "adam"),
        ({"optimizer": None}, "adam"),
    ],
)
def test_that_a_net_without_norms_stays_with_its_optimiser_and_others_get_sgd(
    compiled: Any, expected: str
) -> None:
    bare = default_settings(compiled, epochs=2, samples=10_000, large_rate=False)
    assert bare.optimizer == expected
    assert bare.learning_rate >= 1e-3, "the last tiny rate is never taken"
    assert default_settings(compiled, epochs=2, samples=10_000).optimizer == "sgd"


@pytest.mark.parametrize(("said", "taken"), [(5e-4, 5e-4), (1e-6, 1e-3), (0.3, 1e-3)])
def test_that_a_net_without_norms_begins_with_its_own_rate_where_that_is_a_beginning(
    said: float, taken: float
) -> None:
    compiled = {"optimizer": {"class_name": "Adam", "config": {"learning_rate": said}}}
    bare = default_settings(compiled, epochs=2, samples=10_000, large_rate=False)
    assert bare.learning_rate == taken


def test_that_few_images_make_small_batches_and_nets_without_norms_small_rates() -> None:
    sizes = [default_settings(None, epochs=1, samples=n).batch_size for n in (1, 300, 1000, 60_000)]
    assert sizes == sorted(sizes)
    assert sizes[0] >= 8
    assert sizes[-1] == 64
    assert default_settings(None, epochs=1, samples=9, batch_size=5).batch_size == 5
    bare = default_settings(None, epochs=1, samples=100, large_rate=False)
    assert bare.learning_rate < default_settings(None, epochs=1, samples=100).learning_rate


def test_that_an_epoch_has_full_batches_or_one() -> None:
    assert [steps_per_epoch(n, 16) for n in (1, 16, 31, 32)] == [1, 1, 1, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"distill": 1.5},
        {"learning_rate": 0.0},
        {"warmup_share": 1.0},
        {"gamma_l1": -1.0},
        {"temperature": 0.0},
    ],
)
def test_that_settings_without_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="FineTuneSettings"):
        FineTuneSettings(**({"epochs": 1, "learning_rate": 0.1} | wrong))
