"""The numpy formulas that constants are carried by, against Keras's own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from engine.channels.ops import activations

X = np.linspace(-4.0, 4.0, 41)

NOT_A_NAME = {"identity": "linear", "swish": "silu", "hard_swish": "hard_silu",
              "soft_sign": "softsign"}  # fmt: skip
"""Other spellings of the same; Keras's name for each."""

WITH_SETTINGS: dict[str, dict[str, Any]] = {
    "relu": {"negative_slope": 0.1, "max_value": 2.0, "threshold": 0.5},
    "leaky_relu": {"negative_slope": 0.3}, "elu": {"alpha": 0.7}, "celu": {"alpha": 0.7},
    "gelu": {"approximate": True}, "hard_shrink": {"threshold": 0.75},
    "soft_shrink": {"threshold": 0.75}, "squareplus": {"b": 2.0},
    "threshold": {"threshold": 0.43, "default_value": 0.2},
}  # fmt: skip


def _keras(name: str, **settings: Any) -> np.ndarray:
    function = getattr(keras.activations, NOT_A_NAME.get(name, name), None)
    function = function or getattr(keras.ops, name)
    return np.asarray(function(keras.ops.convert_to_tensor(X, "float32"), **settings))


@pytest.mark.parametrize("name", activations.names())
def test_that_an_activation_is_keras_own(name: str) -> None:
    function = activations.function(name, {})
    assert function is not None
    settings = {"threshold": 1.0, "default_value": 0.0} if name == "threshold" else {}
    assert np.allclose(function(X), _keras(name, **settings), atol=2e-6)


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_that_its_settings_are_followed(name: str) -> None:
    function = activations.function(name, WITH_SETTINGS[name])
    assert function is not None
    assert np.allclose(function(X), _keras(name, **WITH_SETTINGS[name]), atol=2e-6)
    assert not np.allclose(function(X), activations.function(name, {})(X))  # type: ignore[misc]


@pytest.mark.parametrize("name", activations.names())
def test_that_an_unknown_constant_stays_unknown(name: str) -> None:
    function = activations.function(name, {})
    assert function is not None
    with np.errstate(all="ignore"):
        assert np.isnan(function(np.array([np.nan]))).all()
