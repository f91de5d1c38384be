"""Shapes of operations: what each ``keras.ops`` call makes of the shapes of its arguments.

Owns one rule per operation: (config, arguments, keyword arguments) -> shapes. A tensor among the
arguments is given as its shape, a tuple; every other argument is plain JSON (lists, numbers). A
rule that does not know answers with an empty sequence. It knows nothing of files or Keras.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from engine.modelfile.classes import words
from engine.modelfile.graph import Shape
from engine.modelfile.shape_rules import (
    RULES,
    ShapeError,
    axis_of,
    broadcast,
    concatenated,
    product,
)

Config: TypeAlias = Mapping[str, Any]
OpRule: TypeAlias = Callable[[Config, Sequence[Any], Mapping[str, Any]], Sequence[Shape]]

OP_RULES: dict[str, OpRule] = {}
"""Operation -> rule."""


def _rule(names: str) -> Callable[[OpRule], OpRule]:
    def register(function: OpRule) -> OpRule:
        OP_RULES.update(dict.fromkeys(names.split(), function))
        return function

    return register


def tensors_in(value: object) -> list[Shape]:
    """Shapes among the arguments, in order of appearance."""
    if isinstance(value, tuple):
        return [value]
    if isinstance(value, list):
        return [shape for item in value for shape in tensors_in(item)]
    if isinstance(value, Mapping):
        return [shape for item in value.values() for shape in tensors_in(item)]
    return []


def _first(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Shape:
    found = tensors_in([*args, dict(kwargs)])
    if not found:
        raise ShapeError("an operation without a tensor")
    return found[0]


def _option(
    config: Config, args: Sequence[Any], kwargs: Mapping[str, Any], name: str, position: int
) -> Any:
    if name in config:
        return config[name]
    if name in kwargs:
        return kwargs[name]
    return args[position] if len(args) > position else None


@_rule(
    """Abs Absolute Arccos Arccosh Arcsin Arcsinh Arctan Arctanh Ceil Clip Copy Cos Cosh Cumprod
    Cumsum Erf Exp Expm1 Flip Floor FullLike Isfinite Isinf Isnan Log Log10 Log1p Log2 LogicalNot
    NanToNum Negative OnesLike Reciprocal Roll Round Rsqrt Sign Sin Sinh Sort Sqrt Square Tan Tanh
    Tril Triu Trunc ZerosLike Argsort Celu Elu Gelu HardShrink HardSigmoid HardSilu HardTanh
    LeakyRelu LogSigmoid LogSoftmax Normalize Relu Relu6 Selu Sigmoid Silu SoftShrink Softmax
    Softplus Softsign SparsePlus Sparsemax Squareplus TanhShrink Threshold Cast ConvertToTensor
    SaturateCast StopGradient HSVToRGB RGBToHSV DotProductAttention"""
)
def _same(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    return (_first(args, kwargs),)


ELEMENTWISE = words(
    """Add Arctan2 Divide DivideNoNan Equal FloorDivide Greater GreaterEqual Isclose Less LessEqual
    Logaddexp LogicalAnd LogicalOr LogicalXor Maximum Minimum Mod Multiply NotEqual Power Subtract
    TrueDivide Where"""
)
"""Operations of several tensors or numbers, element by element; a list among them is an array."""


@_rule(" ".join(ELEMENTWISE))
def _elementwise(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shapes = [
        value if isinstance(value, tuple) else _constant_shape(value)
        for value in (*args, *kwargs.values())
    ]
    return (functools.reduce(broadcast, shapes),)


def _constant_shape(value: Any) -> Shape:
    shape: list[int | None] = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    if isinstance(value, Mapping) and value.get("class_name") in ("__tensor__", "__numpy__"):
        return _constant_shape(value["config"]["value"])
    return tuple(shape)


@_rule("All Any Amax Amin Max Min Mean Median Prod Std Sum Var Logsumexp Norm")
def _reduction(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    axis = _option(config, args, kwargs, "axis", 1)
    return (_reduced(shape, axis, bool(_option(config, args, kwargs, "keepdims", 2))),)


@_rule("Argmax Argmin")
def _arg(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    return _reduction(config, args, kwargs)


@_rule("Moments")
def _moments(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    out = _reduced(_first(args, kwargs), config["axes"], bool(config.get("keepdims")))
    return (out, out)


def _reduced(shape: Shape, axis: Any, keepdims: bool) -> Shape:
    axes = range(len(shape)) if axis is None else ([axis] if isinstance(axis, int) else axis)
    gone = {axis_of(a, len(shape)) for a in axes}
    if keepdims:
        return tuple(1 if i in gone else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in gone)


@_rule("Concatenate")
def _concat(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    return (concatenated(tensors_in([*args, dict(kwargs)]), config.get("axis", 0)),)


@_rule("Stack")
def _stack(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shapes = tensors_in([*args, dict(kwargs)])
    axis = axis_of(config.get("axis", 0), len(shapes[0]) + 1)
    out = functools.reduce(broadcast, shapes)
    return ((*out[:axis], len(shapes), *out[axis:]),)


@_rule("Unstack")
def _unstack(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    axis = axis_of(config.get("axis", 0), len(shape))
    number = config.get("num") or shape[axis]
    if number is None:
        return ()
    _check_parts(number)
    return ((*shape[:axis], *shape[axis + 1 :]),) * number


_MAX_PARTS = 4096


def _check_parts(number: int) -> None:
    if not 0 < number <= _MAX_PARTS:
        raise ShapeError(f"{number} parts of one tensor")


@_rule("Split")
def _split(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    axis = axis_of(config.get("axis", 0), len(shape))
    cuts, size = config["indices_or_sections"], shape[axis]
    _check_parts(cuts if isinstance(cuts, int) else len(cuts))
    if isinstance(cuts, int):
        if size is None:
            return ((*shape[:axis], None, *shape[axis + 1 :]),) * cuts
        if size % cuts:
            raise ShapeError(f"{size} cannot be split into {cuts} equal parts")
        return ((*shape[:axis], size // cuts, *shape[axis + 1 :]),) * cuts
    edges = [0, *cuts, size]
    return tuple(
        (*shape[:axis], None if b is None else b - a, *shape[axis + 1 :])
        for a, b in itertools.pairwise(edges)
    )


@_rule("Reshape")
def _reshape(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    target = _option(config, args, kwargs, "newshape", 1)
    if not isinstance(target, list | tuple) or tensors_in(list(target)):
        return ()
    return (_reshaped_with_batch(shape, list(target)),)


def _reshaped_with_batch(shape: Shape, target: list[int | None]) -> Shape:
    fixed = product([n for n in target if n not in (-1, None)])
    known = product([n for n in shape if n is not None])
    open_places = [i for i, n in enumerate(target) if n in (-1, None)]
    unknown = sum(n is None for n in shape)
    if not open_places or not fixed:
        return tuple(target)
    if unknown == 0 and known is not None and len(open_places) == 1:
        if known % fixed:
            raise ShapeError(f"{shape} cannot be reshaped to {target}")
        return tuple(known // fixed if i in open_places else n for i, n in enumerate(target))
    return tuple(None if i in open_places else n for i, n in enumerate(target))


@_rule("Transpose")
def _transpose(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    axes = _option(config, args, kwargs, "axes", 1)
    order = range(len(shape))[::-1] if axes is None else [axis_of(a, len(shape)) for a in axes]
    return (tuple(shape[axis] for axis in order),)


@_rule("Swapaxes")
def _swapaxes(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = list(_first(args, kwargs))
    a, b = (axis_of(config[name], len(shape)) for name in ("axis1", "axis2"))
    shape[a], shape[b] = shape[b], shape[a]
    return (tuple(shape),)


@_rule("Moveaxis")
def _moveaxis(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    source, target = config["source"], config["destination"]
    sources = [source] if isinstance(source, int) else list(source)
    targets = [target] if isinstance(target, int) else list(target)
    sources = [axis_of(a, len(shape)) for a in sources]
    order = [a for a in range(len(shape)) if a not in sources]
    for place, axis in sorted(zip((axis_of(a, len(shape)) for a in targets), sources, strict=True)):
        order.insert(place, axis)
    return (tuple(shape[axis] for axis in order),)


@_rule("ExpandDims")
def _expand(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    axis = _option(config, args, kwargs, "axis", 1)
    for place in [axis] if isinstance(axis, int) else axis:
        at = axis_of(place, len(shape) + 1)
        shape = (*shape[:at], 1, *shape[at:])
    return (shape,)


@_rule("Squeeze")
def _squeeze(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    axis = _option(config, args, kwargs, "axis", 1)
    if axis is None:
        return (tuple(size for size in shape if size != 1),)
    gone = {axis_of(a, len(shape)) for a in ([axis] if isinstance(axis, int) else axis)}
    return (tuple(size for i, size in enumerate(shape) if i not in gone),)


@_rule("GetItem")
def _getitem(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    key = _option(config, args, kwargs, "key", 1)
    keys = list(key) if isinstance(key, list) else [key]
    if tensors_in(keys) or any(isinstance(k, list) for k in keys):
        return ()
    fixed = sum(k is not None and not is_ellipsis(k) for k in keys)
    if not any(is_ellipsis(k) for k in keys):
        keys.append({"class_name": "__ellipsis__", "config": {}})
    out: list[int | None] = []
    place = 0
    for item in keys:
        if item is None:
            out.append(1)
        elif is_ellipsis(item):
            wide = len(shape) - fixed
            if wide < 0:
                raise ShapeError(f"{fixed} indices for a tensor of shape {shape}")
            out.extend(shape[place : place + wide])
            place += wide
        else:
            size = shape[place]
            place += 1
            if isinstance(item, Mapping):
                out.append(_sliced(size, item.get("config", item)))
            elif size is not None and isinstance(item, int) and not -size <= item < size:
                raise ShapeError(f"index {item} of an axis of {size}")
    return (tuple(out),)


def is_ellipsis(value: object) -> bool:
    """Whether this is the JSON form of ``...``."""
    return isinstance(value, Mapping) and value.get("class_name") == "__ellipsis__"


def _sliced(size: int | None, cut: Mapping[str, Any]) -> int | None:
    start, stop, step = cut.get("start"), cut.get("stop"), cut.get("step")
    if size is None:
        if start in (None, 0) and isinstance(stop, int) and stop >= 0 and step in (None, 1):
            return None
        return None
    if not all(n is None or isinstance(n, int) for n in (start, stop, step)) or step == 0:
        return None
    return len(range(*slice(start, stop, step).indices(size)))


@_rule("Pad")
def _pad(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    width = _option(config, args, kwargs, "pad_width", 1)
    if isinstance(width, int):
        width = [[width, width]] * len(shape)
    elif width and isinstance(width[0], int):
        width = [list(width)] * len(shape)
    if len(width) == 1:
        width = list(width) * len(shape)
    return (
        tuple(
            None if n is None else n + pad[0] + pad[-1] for n, pad in zip(shape, width, strict=True)
        ),
    )


@_rule("Tile")
def _tile(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    repeats = _option(config, args, kwargs, "repeats", 1)
    times = [repeats] if isinstance(repeats, int) else list(repeats)
    rank = max(len(times), len(shape))
    times = [1] * (rank - len(times)) + times
    sizes = (1,) * (rank - len(shape)) + shape
    return (tuple(None if n is None else n * t for n, t in zip(sizes, times, strict=True)),)


@_rule("Repeat")
def _repeat(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = list(_first(args, kwargs))
    repeats, axis = config["repeats"], config.get("axis")
    if axis is None or not isinstance(repeats, int):
        return ()
    place = axis_of(axis, len(shape))
    size = shape[place]
    shape[place] = None if size is None else size * repeats
    return (tuple(shape),)


@_rule("Take")
def _take(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = _first(args, kwargs)
    indices = _option(config, args, kwargs, "indices", 1)
    axis = config.get("axis")
    if axis is None:
        return ()
    place = axis_of(axis, len(shape))
    picked = indices if isinstance(indices, tuple) else _constant_shape(indices)
    return ((*shape[:place], *picked, *shape[place + 1 :]),)


@_rule("BroadcastTo")
def _broadcast_to(
    config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Sequence[Shape]:
    target = _option(config, args, kwargs, "shape", 1)
    return (tuple(target),) if isinstance(target, list) else ()


@_rule("Matmul")
def _matmul(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shapes = tensors_in([*args, dict(kwargs)])
    if len(shapes) != 2 or min(len(s) for s in shapes) < 2:
        return ()
    a, b = shapes
    if a[-1] is not None and b[-2] is not None and a[-1] != b[-2]:
        raise ShapeError(f"{a} and {b} cannot be multiplied")
    return ((*broadcast(a[:-2], b[:-2]), a[-2], b[-1]),)


@_rule("OneHot")
def _one_hot(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape, axis = _first(args, kwargs), config.get("axis", -1)
    place = axis_of(axis, len(shape) + 1)
    return ((*shape[:place], config["num_classes"], *shape[place:]),)


@_rule("TopK")
def _top_k(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    out = (*_first(args, kwargs)[:-1], config["k"])
    return (out, out)


@_rule("Glu")
def _glu(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = list(_first(args, kwargs))
    place = axis_of(config.get("axis", -1), len(shape))
    size = shape[place]
    shape[place] = None if size is None else size // 2
    return (tuple(shape),)


@_rule("MaxPool AveragePool")
def _pool(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    return RULES["MaxPooling2D"](config, [_first(args, kwargs)])


@_rule("Resize")
def _resize(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    height, width = config["size"]
    return RULES["Resizing"]({**config, "height": height, "width": width}, [_first(args, kwargs)])


@_rule("RGBToGrayscale")
def _grayscale(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    shape = list(_first(args, kwargs))
    shape[-3 if config.get("data_format") == "channels_first" else -1] = 1
    return (tuple(shape),)


def _blocks(*, wider: bool) -> OpRule:
    """Channels that become positions (``wider``), or positions that become channels."""

    def rule(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
        shape = _first(args, kwargs)
        size = _option(config, args, kwargs, "block_size", 1)
        first = _option(config, args, kwargs, "data_format", 2) == "channels_first"
        if len(shape) != 4 or not isinstance(size, int):
            return ()
        channels = 1 if first else 3
        return (
            tuple(
                n if n is None or axis == 0
                else (n // size**2 if wider else n * size**2) if axis == channels
                else (n * size if wider else n // size)
                for axis, n in enumerate(shape)
            ),
        )  # fmt: skip

    return rule


_rule("DepthToSpace")(_blocks(wider=True))
_rule("SpaceToDepth")(_blocks(wider=False))


@_rule("Ravel")
def _ravel(config: Config, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Shape]:
    return ((product(_first(args, kwargs)),),)
