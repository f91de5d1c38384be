"""Ops that act on each position by itself: activations, dropout, merges and arithmetic.

Owns how broadcasting ties channels: equal positions go together; what is spread over the channels
of another (``HxWx1`` times ``HxWxC``) stays whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.channels.ops import activations
from engine.channels.ops.base import (
    Arrays,
    Call,
    Edit,
    LayerWeights,
    Notes,
    Op,
    Resized,
    constant_args,
    option,
    register,
    register_op,
)
from engine.channels.ops.kernels import activate, activated
from engine.channels.ops.opaque import UNKNOWN
from engine.channels.provenance import varying
from engine.channels.tracer import Tracer

Function = Callable[..., np.ndarray]


class Follow(Op):
    """The output is the input, as far as channels go; constants go through ``function``."""

    def __init__(self, function: Function | None = None) -> None:
        self.function = function

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        return [ins[0]] * len(call.out_shapes)

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        if self.function is None:
            return super().constants(call, ins, weights, notes)
        return [self.function(ins[0])]


register_op(
    Follow(lambda x: x),
    "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise",
    "ActivityRegularization", "Identity",
    "ops.StopGradient", "ops.Cast", "ops.Copy", "ops.ConvertToTensor", "ops.SaturateCast",
)  # fmt: skip


@register("Dropout", "GaussianDropout", "AlphaDropout")
class Dropout(Follow):
    """Its ``noise_shape`` may say how many channels there are."""

    def __init__(self) -> None:
        super().__init__(lambda x: x)

    def resize(self, new: Resized) -> Edit:
        noise = new.call.config.get("noise_shape")
        if not isinstance(noise, list | tuple) or len(noise) != len(new.keep_in[0]) + 1:
            return Edit()
        sizes = [
            int(mask.sum()) if mask is not None and n not in (None, 1) else n
            for n, mask in zip(noise[1:], new.keep_in[0], strict=True)
        ]
        return Edit(config={"noise_shape": [noise[0], *sizes]})


@register("Activation")
class Activation(Op):
    """The layer of that name: any activation by its config."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        return activate(t, call, [ins[0]])

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        return [activated(call, ins[0])]


class Named(Op):
    """An activation that is a layer or an operation of its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        return [ins[0]]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        function = activations.function(self.name, {**call.node.kwargs, **call.config})
        return [function(ins[0]) if function else np.full_like(ins[0], np.nan)]


for _class, _name in {
    "ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu",
    "ops.Relu": "relu", "ops.Relu6": "relu6", "ops.LeakyRelu": "leaky_relu", "ops.Elu": "elu",
    "ops.Celu": "celu", "ops.Selu": "selu", "ops.Gelu": "gelu", "ops.Silu": "silu",
    "ops.Sigmoid": "sigmoid", "ops.LogSigmoid": "log_sigmoid", "ops.HardSigmoid": "hard_sigmoid",
    "ops.HardSilu": "hard_silu", "ops.HardTanh": "hard_tanh", "ops.Tanh": "tanh",
    "ops.TanhShrink": "tanh_shrink", "ops.Softplus": "softplus", "ops.Softsign": "softsign",
    "ops.SoftShrink": "soft_shrink", "ops.HardShrink": "hard_shrink", "ops.Exp": "exponential",
    "ops.Squareplus": "squareplus", "ops.SparsePlus": "sparse_plus",
    "ops.Threshold": "threshold",
}.items():  # fmt: skip
    register_op(Named(_name), _class)


def _axis_is_channels(axis: Any, array: np.ndarray) -> bool:
    """Whether an op along ``axis`` (counted with the batch) mixes what varies."""
    if axis is None:
        return bool(varying(array))
    listed = axis if isinstance(axis, list | tuple) else [axis]
    return any(int(a) % (array.ndim + 1) - 1 in varying(array) for a in listed)


@register("Softmax", "ops.Softmax", "ops.LogSoftmax", "ops.Sparsemax")
class Softmax(Op):
    """Over channels it pins; over another axis it is followed, its constants unknown."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        if _axis_is_channels(option(call, "axis", 1, -1), ins[0]):
            t.pin(ins[0], f"softmax '{call.name}' is computed over them")
        return [ins[0]]


@register("ops.Clip")
class Clip(Op):
    """Limits, where they are numbers."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        return [ins[0]] if len(ins) == 1 else UNKNOWN.trace(t, call, ins)

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        low, high = option(call, "x_min", 1), option(call, "x_max", 2)
        return [np.clip(ins[0], low, high)]


@register("Rescaling")
class Rescaling(Op):
    """``x * scale + offset``; a list of scales belongs to the channels and pins them."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        if any(np.size(call.config.get(k, 0)) > 1 for k in ("scale", "offset")):
            t.pin(ins[0], f"Rescaling '{call.name}' has a list of numbers, one for each")
        return [ins[0]]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        scale, offset = call.config.get("scale", 1.0), call.config.get("offset", 0.0)
        return [ins[0] * np.asarray(scale, float) + np.asarray(offset, float)]


def align(ins: Arrays, rank: int) -> Arrays:
    """Missing leading axes (after the batch) added, as Keras's merge layers do."""
    return [a.reshape((1,) * (rank - a.ndim) + a.shape) for a in ins]


def merge(t: Tracer, call: Call, ins: Arrays, sizes: list[tuple[int | None, ...]]) -> np.ndarray:
    """Tie inputs position by position; what is spread over channels of another is pinned."""
    rank = max(a.ndim for a in ins)
    ins = align(ins, rank)
    sizes = [(1,) * (rank - len(s)) + s for s in sizes]
    spread = [
        any(mine[axis] == 1 and any(o.shape[axis] > 1 for o in ins) for axis in range(rank))
        and not _shares_axis(array, ins, mine)
        for array, mine in zip(ins, sizes, strict=True)
    ]
    for array, is_spread in zip(ins, spread, strict=True):
        if is_spread:
            t.pin(array, f"'{call.name}' spreads it over the channels of another")
    tied = [a for a, is_spread in zip(ins, spread, strict=True) if not is_spread] or ins[:1]
    shape = np.broadcast_shapes(*(a.shape for a in tied))
    first = next((a for a in tied if a.shape == shape), None)
    if first is None:
        first = np.broadcast_to(tied[0], shape)
    for array in tied:
        if array is not first:
            t.tie(first, array)
    return first


def _shares_axis(array: np.ndarray, ins: Arrays, sizes: tuple[int | None, ...]) -> bool:
    """Whether it varies along an axis along which another varies too (then ties are right)."""
    return any(array is not other and set(varying(array)) & set(varying(other)) for other in ins)


class Merge(Op):
    """Elementwise arithmetic of two or more tensors, numbers among them."""

    def __init__(self, function: Function, *, zero_wins: bool = False) -> None:
        self.function = function
        self.zero_wins = zero_wins

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        ranks = {a.ndim for a in ins}
        operation = "ops" in call.layer.module.split(".")
        if not ins or (operation and len(ranks) > 1):
            return UNKNOWN.trace(t, call, ins)
        out = merge(t, call, ins, [call.sizes(i) for i in range(len(ins))])
        if any(np.size(np.asarray(value)) > 1 for value in constant_args(call.node)):
            t.pin(out, f"'{call.name}' combines them with a list of numbers")
        return [out]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        rank = max(a.ndim for a in ins)
        operands = iter(align(ins, rank))
        values = [
            next(operands) if isinstance(v, np.ndarray) else np.asarray(v, float)
            for v in _operands(call)
        ]
        out = values[0]
        for value in values[1:]:
            result = self.function(out, value)
            if self.zero_wins:
                result = np.where((out == 0) | (value == 0), 0.0, result)
            out = result
        return [out if len(values) > 1 else self.function(out)]


_TENSOR = np.zeros(())


def _operands(call: Call) -> list[Any]:
    """The call's operands in order: an array stands for a tensor, a number for itself."""
    found: list[Any] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "tensor" in value:
                found.append(_TENSOR)
            elif isinstance(value.get("config"), dict) and "value" in value["config"]:
                found.append(value["config"]["value"])
        elif isinstance(value, list | tuple):
            if value and not any(isinstance(v, dict | list | tuple) for v in value):
                found.append(list(value))
            else:
                for item in value:
                    walk(item)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append(value)

    for arg in call.node.args:
        walk(arg)
    for key in ("x1", "x2"):
        if key in call.node.kwargs:
            walk(call.node.kwargs[key])
    return found


def _no_formula(*values: np.ndarray) -> np.ndarray:
    """Constants are lost in it."""
    return np.full(np.broadcast_shapes(*(v.shape for v in values)), np.nan)


class Mean(Merge):
    """The Average layer."""

    def __init__(self) -> None:
        super().__init__(np.add)

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        (total,) = super().constants(call, ins, weights, notes)
        return [total / len(ins)]


register_op(Merge(np.add), "Add", "ops.Add")
register_op(Merge(np.subtract), "Subtract", "ops.Subtract")
register_op(Merge(np.multiply, zero_wins=True), "Multiply", "ops.Multiply")
register_op(Merge(np.maximum), "Maximum", "ops.Maximum")
register_op(Merge(np.minimum), "Minimum", "ops.Minimum")
register_op(Merge(np.divide), "ops.Divide", "ops.TrueDivide", "ops.DivideNoNan")
register_op(Merge(np.floor_divide), "ops.FloorDivide")
register_op(Merge(np.mod), "ops.Mod")
register_op(Merge(np.power), "ops.Power")
register_op(Merge(np.arctan2), "ops.Arctan2")
register_op(Merge(np.logaddexp), "ops.Logaddexp")
register_op(
    Merge(_no_formula), "ops.Equal", "ops.NotEqual", "ops.Greater", "ops.GreaterEqual",
    "ops.Less", "ops.LessEqual", "ops.LogicalAnd", "ops.LogicalOr", "ops.LogicalXor",
    "ops.Isclose", "ops.Where",
)  # fmt: skip
register_op(Mean(), "Average")

_UNARY: dict[str, Function | None] = {
    "ops.Negative": np.negative, "ops.Abs": np.abs, "ops.Absolute": np.abs,
    "ops.Square": np.square, "ops.Sqrt": np.sqrt, "ops.Rsqrt": lambda x: 1 / np.sqrt(x),
    "ops.Log": np.log, "ops.Log1p": np.log1p, "ops.Expm1": np.expm1, "ops.Sin": np.sin,
    "ops.Cos": np.cos, "ops.Sign": np.sign, "ops.Round": np.round, "ops.Floor": np.floor,
    "ops.Ceil": np.ceil, "ops.Reciprocal": np.reciprocal, "ops.Arctan": np.arctan,
    "ops.Sinh": np.sinh, "ops.Cosh": np.cosh, "ops.Erf": activations.erf,
    "ops.Tan": np.tan, "ops.Trunc": np.trunc, "ops.Log2": np.log2, "ops.Log10": np.log10,
    "ops.Arcsin": np.arcsin, "ops.Arccos": np.arccos, "ops.Arctanh": np.arctanh,
    "ops.Arcsinh": np.arcsinh, "ops.Arccosh": np.arccosh, "ops.NanToNum": None,
    "ops.ZerosLike": np.zeros_like, "ops.OnesLike": np.ones_like, "ops.FullLike": None,
    "ops.LogicalNot": None, "ops.Isfinite": None, "ops.Isinf": None, "ops.Isnan": None,
}  # fmt: skip
for _class, _unary in _UNARY.items():
    register_op(Follow(_unary), _class)
