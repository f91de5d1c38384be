"""TensorFlow calls in Keras 2 graphs (``TFOpLambda``, ``SlicingOpLambda``) as Keras operations.

Owns the table from TensorFlow function names to operations of ``keras.ops``. Only the functions
listed here are opened, each with the arguments listed; any other is refused by its name. Nothing
is looked up in TensorFlow.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from engine.errors import UserError
from engine.modelfile.classes import OPERATIONS
from engine.modelfile.tree import Call, Entry, Model, is_ref, map_refs, ref, refs_in

CLASSES: Final = frozenset({"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceProperty"})

_BEFORE: Final = {"before": True}
"""Stands for the output of the step before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One Keras operation, or layer where ``module`` says so, that a TensorFlow call becomes."""

    class_name: str
    args: list[Any]
    config: dict[str, Any] = field(default_factory=dict)
    kwargs: dict[str, Any] = field(default_factory=dict)
    module: str = ""


class _Unknown(Exception):
    """The function, or an argument of it, is not in the table."""


class _Arguments:
    """The arguments of a TensorFlow call; each is taken once, and none may be left."""

    def __init__(self, call: Call) -> None:
        self.first = call.args[0] if call.args else None
        self.rest = {k: v for k, v in call.kwargs.items() if k != "name" and v is not None}

    def take(self, *names: str, default: Any = None) -> Any:
        """The first of these that was given."""
        found = default
        for name in names:
            if name in self.rest:
                found = self.rest.pop(name)
        return found

    def expect(self, name: str, *allowed: Any) -> None:
        """Refuse an argument with another value than these."""
        value = self.take(name)
        if value is not None and value not in allowed:
            raise _Unknown(f"{name}={value!r}")

    def finish(self) -> None:
        """Refuse what nobody took."""
        for name, value in self.rest.items():
            if value not in (False, "NHWC"):
                raise _Unknown(f"{name}={str(value)[:40]}")


_Rule: TypeAlias = Callable[[_Arguments], list[Step]]


def _unary(class_name: str, **config: Any) -> _Rule:
    return lambda a: [Step(class_name=class_name, args=[a.first], config=config)]


def _binary(class_name: str) -> _Rule:
    def rule(a: _Arguments) -> list[Step]:
        return [Step(class_name=class_name, args=[a.first, a.take("y", "b", "bias", "value")])]

    return rule


def _reduction(class_name: str) -> _Rule:
    def rule(a: _Arguments) -> list[Step]:
        axis = a.take("axis", "reduction_indices", "dim")
        keepdims = bool(a.take("keepdims", "keep_dims", default=False))
        config = {"axis": axis, "keepdims": keepdims}
        return [Step(class_name=class_name, args=[a.first], config=config)]

    return rule


def _axis(class_name: str, default: Any, *names: str) -> _Rule:
    def rule(a: _Arguments) -> list[Step]:
        axis = a.take("axis", "dim", *names, default=default)
        return [Step(class_name=class_name, args=[a.first], config={"axis": axis})]

    return rule


def _getitem(a: _Arguments) -> list[Step]:
    spec = a.take("slice_spec")
    keys = spec if isinstance(spec, list) else [spec]
    return [Step(class_name="GetItem", args=[a.first, [_key(item) for item in keys]])]


def _key(item: Any) -> Any:
    if isinstance(item, Mapping) and set(item) == {"start", "stop", "step"}:
        if list(refs_in(item)):
            raise _Unknown("a slice that depends on a tensor")
        return {"class_name": "__slice__", "config": dict(item)}
    if isinstance(item, Mapping) and item.get("class_name") == "__ellipsis__":
        return {"class_name": "__ellipsis__", "config": {}}
    if item == "...":
        return {"class_name": "__ellipsis__", "config": {}}
    if item is None or isinstance(item, int):
        return item
    raise _Unknown(f"the index {str(item)[:40]}")


def _reshape(a: _Arguments) -> list[Step]:
    shape = a.take("shape")
    if isinstance(shape, list) and shape and shape[0] == _BATCH and not list(refs_in(shape)):
        if _BATCH in shape[1:]:
            raise _Unknown("a shape with the batch size twice")
        config = {"trainable": True, "dtype": "float32", "target_shape": shape[1:]}
        return [Step(class_name="Reshape", args=[a.first], config=config, module="keras.layers")]
    if not isinstance(shape, list) or not all(isinstance(n, int) for n in shape):
        raise _Unknown("a shape that depends on a tensor")
    return [Step(class_name="Reshape", args=[a.first], config={"newshape": shape})]


def _transpose(a: _Arguments) -> list[Step]:
    a.expect("conjugate", False)
    return [Step(class_name="Transpose", args=[a.first], config={"axes": a.take("perm", "a")})]


def _split(a: _Arguments) -> list[Step]:
    parts = a.take("num_or_size_splits")
    cuts = parts
    if isinstance(parts, list):
        if not all(isinstance(n, int) and n >= 0 for n in parts):
            raise _Unknown("sizes of which one is open")
        cuts = list(itertools.accumulate(parts))[:-1]
    elif not isinstance(parts, int) or not 0 < parts <= 4096:
        raise _Unknown(f"{parts!r} parts")
    config = {"indices_or_sections": cuts, "axis": a.take("axis", default=0)}
    return [Step(class_name="Split", args=[a.first], config=config)]


def _unstack(a: _Arguments) -> list[Step]:
    config = {"num": a.take("num"), "axis": a.take("axis", default=0)}
    return [Step(class_name="Unstack", args=[a.first], config=config)]


def _listed(class_name: str) -> _Rule:
    def rule(a: _Arguments) -> list[Step]:
        values = a.first if isinstance(a.first, list) else [a.first]
        config = {"axis": a.take("axis", default=0 if class_name == "Stack" else -1)}
        return [Step(class_name=class_name, args=[values], config=config)]

    return rule


def _add_n(a: _Arguments) -> list[Step]:
    values = a.first if isinstance(a.first, list) else [a.first]
    if len(values) == 1:
        return [Step(class_name="Copy", args=values)]
    steps = [Step(class_name="Add", args=values[:2])]
    return steps + [Step(class_name="Add", args=[_BEFORE, value]) for value in values[2:]]


def _clip(a: _Arguments) -> list[Step]:
    config = {"x_min": a.take("clip_value_min"), "x_max": a.take("clip_value_max")}
    if list(refs_in(config)):
        raise _Unknown("limits that depend on a tensor")
    return [Step(class_name="Clip", args=[a.first], config=config)]


def _pad(a: _Arguments) -> list[Step]:
    mode = str(a.take("mode", default="CONSTANT")).lower()
    value = a.take("constant_values", default=0)
    config = {"pad_width": a.take("paddings"), "mode": mode}
    kwargs = {"constant_values": value} if mode == "constant" and value else {}
    return [Step(class_name="Pad", args=[a.first], config=config, kwargs=kwargs)]


def _cast(a: _Arguments) -> list[Step]:
    dtype = a.take("dtype", default="float32")
    if not isinstance(dtype, str):
        raise _Unknown(f"dtype={str(dtype)[:40]}")
    return [Step(class_name="Cast", args=[a.first], config={"dtype": dtype})]


def _leaky_relu(a: _Arguments) -> list[Step]:
    config = {"negative_slope": a.take("alpha", default=0.2)}
    return [Step(class_name="LeakyRelu", args=[a.first], config=config)]


def _gelu(a: _Arguments) -> list[Step]:
    config = {"approximate": bool(a.take("approximate", default=False))}
    return [Step(class_name="Gelu", args=[a.first], config=config)]


def _l2_normalize(a: _Arguments) -> list[Step]:
    config = {"axis": a.take("axis", "dim", default=-1), "keepdims": True}
    least = a.take("epsilon", default=1e-12)
    return [
        Step(class_name="Square", args=[a.first]),
        Step(class_name="Sum", args=[_BEFORE], config=config),
        Step(class_name="Maximum", args=[_BEFORE, least]),
        Step(class_name="Rsqrt", args=[_BEFORE]),
        Step(class_name="Multiply", args=[a.first, _BEFORE]),
    ]


def _squared_difference(a: _Arguments) -> list[Step]:
    return [
        Step(class_name="Subtract", args=[a.first, a.take("y")]),
        Step(class_name="Square", args=[_BEFORE]),
    ]


def _blocks(class_name: str) -> _Rule:
    def rule(a: _Arguments) -> list[Step]:
        config = {"block_size": a.take("block_size"), "data_format": "channels_last"}
        return [Step(class_name=class_name, args=[a.first], config=config)]

    return rule


def _matmul(a: _Arguments) -> list[Step]:
    other = a.take("b")
    if a.take("transpose_a", default=False):
        raise _Unknown("transpose_a=True")
    if a.take("transpose_b", default=False):
        return [
            Step(class_name="Swapaxes", args=[other], config={"axis1": -1, "axis2": -2}),
            Step(class_name="Matmul", args=[a.first, _BEFORE]),
        ]
    return [Step(class_name="Matmul", args=[a.first, other])]


def _pool(class_name: str) -> _Rule:
    def rule(a: _Arguments) -> list[Step]:
        a.expect("data_format", "NHWC")
        config = {
            "pool_size": _spatial(a.take("ksize")),
            "strides": _spatial(a.take("strides")),
            "padding": str(a.take("padding")).lower(),
            "data_format": "channels_last",
        }
        return [Step(class_name=class_name, args=[a.first], config=config)]

    return rule


def _spatial(value: Any) -> Any:
    if isinstance(value, int):
        return [value, value]
    if isinstance(value, list) and len(value) == 4:
        return value[1:3]
    if isinstance(value, list) and len(value) == 1:
        return value * 2
    return value


def _resize(a: _Arguments) -> list[Step]:
    method = a.take("method", default="bilinear")
    methods = {0: "bilinear", 1: "nearest", 2: "bicubic"}
    method = methods.get(method, method)
    if method not in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"):
        raise _Unknown(f"method={method!r}")
    size = a.take("size")
    if not isinstance(size, list) or not all(isinstance(n, int) for n in size):
        raise _Unknown("a size that depends on a tensor")
    config = {
        "size": size,
        "interpolation": method,
        "antialias": bool(a.take("antialias", default=False)),
        "data_format": "channels_last",
    }
    return [Step(class_name="Resize", args=[a.first], config=config)]


def _where(a: _Arguments) -> list[Step]:
    x, y = a.take("x"), a.take("y")
    if x is None or y is None:
        raise _Unknown("one argument")
    return [Step(class_name="Where", args=[a.first, x, y])]


def _tile(a: _Arguments) -> list[Step]:
    repeats = a.take("multiples")
    if not isinstance(repeats, list) or not all(isinstance(n, int) for n in repeats):
        raise _Unknown("multiples that depend on a tensor")
    return [Step(class_name="Tile", args=[a.first], config={"repeats": repeats})]


def _argmax(class_name: str) -> _Rule:
    def rule(a: _Arguments) -> list[Step]:
        a.expect("output_type", "int64", "int32")
        config = {"axis": a.take("axis", "dimension", default=0), "keepdims": False}
        return [Step(class_name=class_name, args=[a.first], config=config)]

    return rule


def _gather(a: _Arguments) -> list[Step]:
    if a.take("batch_dims", default=0):
        raise _Unknown("batch_dims")
    config = {"axis": a.take("axis", default=0)}
    return [Step(class_name="Take", args=[a.first, a.take("indices")], config=config)]


_UNARY = {
    "abs": "Absolute", "ceil": "Ceil", "cos": "Cos", "erf": "Erf", "exp": "Exp", "floor": "Floor",
    "log": "Log", "log1p": "Log1p", "logical_not": "LogicalNot", "negative": "Negative",
    "ones_like": "OnesLike", "reciprocal": "Reciprocal", "relu": "Relu", "relu6": "Relu6",
    "round": "Round", "rsqrt": "Rsqrt", "selu": "Selu", "sigmoid": "Sigmoid", "sign": "Sign",
    "silu": "Silu", "sin": "Sin", "softplus": "Softplus", "softsign": "Softsign", "sqrt": "Sqrt",
    "square": "Square", "stop_gradient": "StopGradient", "swish": "Silu", "tanh": "Tanh",
    "zeros_like": "ZerosLike",
}  # fmt: skip
_BINARY = {
    "add": "Add", "bias_add": "Add", "divide": "TrueDivide", "div": "TrueDivide",
    "div_no_nan": "DivideNoNan", "divide_no_nan": "DivideNoNan", "equal": "Equal",
    "floordiv": "FloorDivide", "floormod": "Mod", "greater": "Greater",
    "greater_equal": "GreaterEqual", "less": "Less", "less_equal": "LessEqual",
    "logical_and": "LogicalAnd", "logical_or": "LogicalOr", "maximum": "Maximum",
    "minimum": "Minimum", "mod": "Mod", "multiply": "Multiply", "not_equal": "NotEqual",
    "pow": "Power", "sub": "Subtract", "subtract": "Subtract", "truediv": "TrueDivide",
}  # fmt: skip
_REDUCTIONS = {
    "reduce_all": "All", "reduce_any": "Any", "reduce_logsumexp": "Logsumexp",
    "reduce_max": "Max", "reduce_mean": "Mean", "reduce_min": "Min", "reduce_prod": "Prod",
    "reduce_std": "Std", "reduce_sum": "Sum", "reduce_variance": "Var",
}  # fmt: skip

RULES: Final[dict[str, _Rule]] = {
    **{name: _unary(op) for name, op in _UNARY.items()},
    **{name: _binary(op) for name, op in _BINARY.items()},
    **{name: _reduction(op) for name, op in _REDUCTIONS.items()},
    "add_n": _add_n,
    "argmax": _argmax("Argmax"),
    "argmin": _argmax("Argmin"),
    "avg_pool": _pool("AveragePool"),
    "avg_pool2d": _pool("AveragePool"),
    "cast": _cast,
    "clip_by_value": _clip,
    "concat": _listed("Concatenate"),
    "convert_to_tensor": _unary("Copy"),
    "depth_to_space": _blocks("DepthToSpace"),
    "elu": _unary("Elu", alpha=1.0),
    "expand_dims": _axis("ExpandDims", None),
    "gather": _gather,
    "gelu": _gelu,
    "getitem": _getitem,
    "identity": _unary("Copy"),
    "l2_normalize": _l2_normalize,
    "leaky_relu": _leaky_relu,
    "log_softmax": _axis("LogSoftmax", -1),
    "matmul": _matmul,
    "max_pool": _pool("MaxPool"),
    "max_pool2d": _pool("MaxPool"),
    "pad": _pad,
    "reshape": _reshape,
    "resize": _resize,
    "reverse": _axis("Flip", None),
    "softmax": _axis("Softmax", -1),
    "space_to_depth": _blocks("SpaceToDepth"),
    "split": _split,
    "squared_difference": _squared_difference,
    "squeeze": _axis("Squeeze", None, "squeeze_dims"),
    "stack": _listed("Stack"),
    "tile": _tile,
    "transpose": _transpose,
    "unstack": _unstack,
    "where": _where,
}
"""TensorFlow function, without its name space, -> what it becomes."""

_SPACES = frozenset(
    {"", "math", "nn", "linalg", "__operators__", "image", "compat.v1", "compat.v1.nn",
     "compat.v1.math", "compat.v2", "compat.v1.linalg", "keras.activations", "keras.backend"}
)  # fmt: skip
_SHAPE_FUNCTIONS = frozenset({"shape", "compat.v1.shape", "compat.v1.shape_internal", "shape_v2"})
_BATCH: Final = "batch size"


def translate(model: Model) -> Model:
    """The model with every TensorFlow call replaced by Keras operations.

    Raises
    ------
    UserError
        For a function, or an argument of one, that is not in the table, by name.
    """
    found = {entry.name: entry for entry in model.entries if entry.class_name in CLASSES}
    if not found:
        return model
    _resolve_batch_sizes(model, found)
    entries: list[Entry] = []
    moved: dict[tuple[str, int], tuple[str, int]] = {}
    for entry in model.entries:
        if entry.name not in found:
            entries.append(entry)
            continue
        for number, call in enumerate(entry.calls):
            name = entry.name if number == 0 else f"{entry.name}_call_{number}"
            moved[(entry.name, number)] = (name, 0)
            entries.extend(_steps(entry, call, name))
        entry.calls = []

    def change(layer: str, call: int, output: int) -> dict[str, Any]:
        layer, call = moved.get((layer, call), (layer, call))
        return ref(layer, call, output)

    for entry in entries:
        for call in entry.calls:
            call.args, call.kwargs = map_refs(call.args, change), map_refs(call.kwargs, change)
    model.outputs = map_refs(model.outputs, change)
    model.entries = entries
    return model


def _steps(entry: Entry, call: Call, name: str) -> list[Entry]:
    function = str(entry.config.get("function"))
    arguments = _Arguments(call)
    try:
        space, _, short = function.rpartition(".")
        if space not in _SPACES or short not in RULES:
            raise _Unknown("")
        steps = RULES[short](arguments)
        arguments.finish()
    except _Unknown as why:
        with_what = f" with {why}" if str(why) else ""
        raise UserError(
            "model.unknown_function",
            "The model calls a TensorFlow function that Secateur does not translate: "
            f"tf.{function[:80]}{with_what}, layer {entry.name!r}.",
            "Replace it by a standard Keras layer and save the model again.",
        ) from None
    made: list[Entry] = []
    for index, step in enumerate(steps):
        last = index == len(steps) - 1
        step_name = name if last else f"{name}_step_{index}"
        before = made[-1].name if made else ""
        args = [ref(before, 0, 0) if arg == _BEFORE else arg for arg in step.args]
        made.append(
            Entry(
                name=step_name,
                class_name=step.class_name,
                module=step.module or OPERATIONS[step.class_name],
                config={"name": step_name, **step.config},
                calls=[Call(args=args, kwargs=dict(step.kwargs))],
                slot=entry.slot if last else None,
            )
        )
    return made


def _resolve_batch_sizes(model: Model, found: Mapping[str, Entry]) -> None:
    """Replace ``tf.shape(x)[0]`` among arguments by a word, and drop what then nobody reads."""
    shapes = {n for n, e in found.items() if e.config.get("function") in _SHAPE_FUNCTIONS}
    if not shapes:
        return
    sizes = {name for name, entry in found.items() if _takes_first(entry, shapes)}

    def change(layer: str, call: int, output: int) -> Any:
        return _BATCH if layer in sizes else ref(layer, call, output)

    for entry in model.entries:
        if entry.name in sizes:
            continue
        for call in entry.calls:
            call.kwargs = map_refs(call.kwargs, change)
    for group in (sizes, shapes):
        read = {
            layer
            for entry in model.entries
            for call in entry.calls
            for layer, _, _ in refs_in([call.args, call.kwargs])
        } | {layer for layer, _, _ in refs_in(model.outputs)}
        model.entries = [e for e in model.entries if e.name not in group or e.name in read]


def _takes_first(entry: Entry, shapes: set[str]) -> bool:
    """Whether this is ``shape[0]``."""
    if entry.config.get("function") != "__operators__.getitem" or len(entry.calls) != 1:
        return False
    call = entry.calls[0]
    source = call.args[0] if call.args else None
    spec = call.kwargs.get("slice_spec")
    return is_ref(source) and next(refs_in(source))[0] in shapes and spec in (0, [0])
