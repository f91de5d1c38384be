"""Activation functions as numpy sees them, for the constants of removed channels.

Owns the formulas of Keras 3's activations (name and parameters to a function) and which of them
act on each position by itself. A name that is not here is not assumed to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]

ACROSS = frozenset({"softmax", "log_softmax", "sparsemax", "glu"})
"""Activations that read across channels."""


def erf(x: np.ndarray) -> np.ndarray:
    """The error function; SciPy's, whose import takes longer than reading most models."""
    from scipy import special

    out: np.ndarray = special.erf(x)
    return out


def _sigmoid(x: np.ndarray) -> np.ndarray:
    out: np.ndarray = 1.0 / (1.0 + np.exp(-np.clip(x, -700, 700)))
    return out


def _softplus(x: np.ndarray) -> np.ndarray:
    out: np.ndarray = np.logaddexp(0.0, x)
    return out


def _relu(p: Mapping[str, Any]) -> Function:
    slope = float(p.get("negative_slope") or 0.0)
    ceiling = p.get("max_value")
    threshold = float(p.get("threshold") or 0.0)

    def relu(x: np.ndarray) -> np.ndarray:
        y = np.where(x >= threshold, x, slope * (x - threshold))
        y = np.where(np.isnan(x), np.nan, y)
        return y if ceiling is None else np.minimum(y, float(ceiling))

    return relu


def _elu(p: Mapping[str, Any]) -> Function:
    alpha = float(p.get("alpha", 1.0))
    return lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(p: Mapping[str, Any]) -> Function:
    alpha = float(p.get("alpha", 1.0))
    return lambda x: np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _selu(p: Mapping[str, Any]) -> Function:
    del p
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    return lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _gelu(p: Mapping[str, Any]) -> Function:
    if p.get("approximate"):
        return lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2)))


def _hard_sigmoid(x: np.ndarray) -> np.ndarray:
    # Keras 3's slope is 1/6 (Keras 2's was 0.2)
    return np.clip(x / 6 + 0.5, 0, 1)


def _leaky(p: Mapping[str, Any]) -> Function:
    slope = p.get("negative_slope", p.get("alpha"))
    value = 0.2 if slope is None else float(slope)
    return lambda x: np.where(x > 0, x, value * x)


def _shrink(p: Mapping[str, Any], soft: bool) -> Function:
    t = float(p.get("threshold", p.get("lambd", 0.5)))
    if soft:
        return lambda x: np.sign(x) * np.maximum(np.abs(x) - t, 0)
    return lambda x: np.where(np.abs(x) > t, x, 0.0 * x)


def _threshold(p: Mapping[str, Any]) -> Function:
    theta = float(p.get("theta", p.get("threshold", 1.0)))
    value = float(p.get("default_value", 0.0))
    return lambda x: np.where(np.isnan(x), np.nan, np.where(x > theta, x, value))


def _plain(function: Function) -> Callable[[Mapping[str, Any]], Function]:
    return lambda p: function


_MAKERS: dict[str, Callable[[Mapping[str, Any]], Function]] = {
    "linear": _plain(lambda x: x),
    "identity": _plain(lambda x: x),
    "relu": _relu,
    "relu6": _plain(lambda x: np.clip(x, 0, 6)),
    "leaky_relu": _leaky,
    "elu": _elu,
    "celu": _celu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": _plain(lambda x: x * _sigmoid(x)),
    "swish": _plain(lambda x: x * _sigmoid(x)),
    "sigmoid": _plain(_sigmoid),
    "log_sigmoid": _plain(lambda x: -_softplus(-x)),
    "hard_sigmoid": _plain(_hard_sigmoid),
    "hard_silu": _plain(lambda x: x * _hard_sigmoid(x)),
    "hard_swish": _plain(lambda x: x * _hard_sigmoid(x)),
    "hard_tanh": _plain(lambda x: np.clip(x, -1, 1)),
    "tanh": _plain(np.tanh),
    "tanh_shrink": _plain(lambda x: x - np.tanh(x)),
    "softplus": _plain(_softplus),
    "softsign": _plain(lambda x: x / (1 + np.abs(x))),
    "soft_sign": _plain(lambda x: x / (1 + np.abs(x))),
    "exponential": _plain(np.exp),
    "mish": _plain(lambda x: x * np.tanh(_softplus(x))),
    "soft_shrink": lambda p: _shrink(p, True),
    "hard_shrink": lambda p: _shrink(p, False),
    "squareplus": lambda p: lambda x: (x + np.sqrt(x**2 + float(p.get("b", 4)))) / 2,
    "sparse_plus": _plain(lambda x: np.where(x <= -1, 0 * x, np.where(x < 1, (x + 1) ** 2 / 4, x))),
    "sparse_sigmoid": _plain(lambda x: np.clip(0.5 * (x + 1), 0, 1)),
    "threshold": _threshold,
}

_LAYER_NAMES = {
    "ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "Softmax": "softmax",
    "Identity": "linear",
}  # fmt: skip


def describe(value: Any) -> tuple[str, Mapping[str, Any]]:
    """Name and parameters of an activation as a config writes it.

    It may be None, a name, or a serialised function, layer or operation.
    """
    if value is None:
        return "linear", {}
    if isinstance(value, str):
        return value.removeprefix("keras.activations."), {}
    if isinstance(value, Mapping):
        inner = value.get("config")
        if value.get("class_name") == "function" and isinstance(inner, str):
            return inner, {}
        kind = str(value.get("class_name", "?"))
        params = inner if isinstance(inner, Mapping) else {}
        if kind == "Activation":
            return describe(params.get("activation"))
        return _LAYER_NAMES.get(kind, _snake(kind)), params
    return "?", {}


def _snake(kind: str) -> str:
    known = {name.replace("_", ""): name for name in _MAKERS}
    return known.get(kind.lower().removesuffix("()"), kind)


def function(name: str, params: Mapping[str, Any] | None = None) -> Function | None:
    """The numpy function, or None for a name that is not known or reads across channels."""
    maker = _MAKERS.get(name)
    return None if maker is None else maker(params or {})


def elementwise(name: str) -> bool:
    """Whether it is known to act on each position by itself."""
    return name in _MAKERS


def names() -> tuple[str, ...]:
    """All names with a formula."""
    return tuple(_MAKERS)
