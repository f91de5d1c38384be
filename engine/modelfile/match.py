"""Which array of a file is which weight of which layer.

Owns the matching: every expected weight gets exactly one array of its shape, every array of the
model gets a weight, or the file is refused. ``.keras`` files are matched by place, ``.h5`` files
by name and, where names do not decide, by Keras's order. It reads no values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import UserError
from engine.modelfile.build_graph import Slot
from engine.modelfile.classes import words
from engine.modelfile.graph import Shape
from engine.modelfile.hdf5 import Array, H5File
from engine.modelfile.stored import AS_IT_IS, Form
from engine.modelfile.weight_specs import Variable, fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A weight and its array."""

    layer: str
    variable: Variable
    array: Array
    form: Form = AS_IT_IS


RANDOM_STATE = frozenset(
    {"seed_generator", "generator", "random_generator", "_random_generator", "StateVar",
     "seed_generator_state", "rng_state"}
)  # fmt: skip
_OUTSIDE = frozenset(
    {"optimizer", "compile_metrics", "_compile_metrics", "metrics", "_compile_loss", "loss",
     "_loss_tracker", "_metrics"}
)  # fmt: skip
_OLD_ROOT = "_layer_checkpoint_dependencies"


def mismatch(what: str) -> UserError:
    """The error for arrays that do not belong to a config."""
    return UserError(
        "model.weights_mismatch",
        f"The weights in the file do not belong to its config: {what}.",
        "Save the model again with Keras, or copy the file again.",
    )


def match_places(slots: Sequence[Slot], file: H5File) -> list[Match]:
    """Match the weights of a ``.keras`` file by their places.

    Raises
    ------
    UserError
        Where an array is missing, has another shape, belongs to another layer or to none.
    """
    arrays = file.arrays("")
    old = not any(path.startswith("layers/") for path in arrays) and any(
        path.startswith(_OLD_ROOT) for path in arrays
    )
    found: list[Match] = []
    used: set[str] = set()
    for slot in slots:
        if not slot.variables and not slot.custom:
            continue
        group = slot.path or ""
        if old:
            group = group.replace("layers/", f"{_OLD_ROOT}/")
        _check_name(slot, group, file)
        if slot.custom:
            inside = [p for p in arrays if p.startswith(f"{group}/") and not _is_random(p)]
            found.extend(as_it_is(slot, p.removeprefix(f"{group}/"), arrays[p]) for p in inside)
            used.update(inside)
        for variable in slot.variables:
            array = _at_place(arrays, group, variable)
            if array is None:
                raise mismatch(f"layer {slot.layer!r} has no {variable.name!r}")
            if array.path in used:
                raise mismatch(f"{array.path!r} belongs to two layers")
            used.add(array.path)
            used.update(f"{group}/{place}" for place in variable.copies)
            found.append(matched(slot, variable, array))
    for path in arrays:
        parts = path.split("/")
        if path not in used and parts[0] not in _OUTSIDE and not _is_random(path):
            raise mismatch(f"no layer uses the array {path!r}")
    return found


def _is_random(path: str) -> bool:
    return bool(RANDOM_STATE & set(path.split("/")))


def as_it_is(slot: Slot, name: str, array: Array) -> Match:
    """An array of a custom layer, under the name that the file has for it."""
    dtype = None if array.dtype[:1] in "fb" and array.dtype != "bool" else array.dtype
    variable = Variable(name=name, shape=array.shape, place=name, dtype=dtype)
    return Match(layer=slot.layer, variable=variable, array=array)


def _at_place(arrays: Mapping[str, Array], group: str, variable: Variable) -> Array | None:
    for place in (variable.place, f"_{variable.place}"):
        array = arrays.get(f"{group}/{place}")
        if array is not None:
            return array
    return None


def _check_name(slot: Slot, group: str, file: H5File) -> None:
    """Keras 3.5 and later note each layer's name beside its arrays."""
    path = f"{group}/vars"
    if not file.has(path):
        return
    name = file.attribute(path, "name")
    if isinstance(name, str) and name != slot.chain[-1]:
        raise mismatch(f"the weights of {slot.layer!r} are noted as those of {name!r}")


def matched(slot: Slot, variable: Variable, array: Array) -> Match:
    """A weight with its array.

    Raises
    ------
    UserError
        Where the array has another shape than the weight.
    """
    if not fits(array.shape, _in_file(slot, variable)):
        raise mismatch(
            f"{variable.name!r} of layer {slot.layer!r} should have the shape "
            f"{_text(_in_file(slot, variable))} and has {_text(array.shape)}"
        )
    return Match(
        layer=slot.layer,
        variable=variable,
        array=array,
        form=slot.form,
    )


def _in_file(slot: Slot, variable: Variable) -> Shape:
    return slot.form.shape_in_file(variable.name, variable.shape)


def _text(shape: Iterable[int | None]) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"


def match_names(slots: Sequence[Slot], file: H5File, root: str = "model_weights") -> list[Match]:
    """Match the weights of an ``.h5`` file by the names Keras gave them, or by their order.

    Raises
    ------
    UserError
        Where an array is missing, has another shape, or belongs to no layer.
    """
    arrays = file.arrays(root)
    base = f"{root}/" if root else ""
    tops: dict[str, list[Slot]] = {}
    for slot in slots:
        tops.setdefault(slot.top, []).append(slot)
    found: list[Match] = []
    used: set[str] = set()
    for top, members in tops.items():
        expected = _expected(members)
        names = _weight_names(file, f"{base}{top}")
        own, names = _custom_names(members, names)
        for slot, its in own:
            paths = [f"{base}{top}/{name}" for name in its]
            found.extend(as_it_is(slot, str(n), arrays[p]) for n, p in enumerate(paths))
            used.update(paths)
        if not expected and not names:
            continue
        paths = [f"{base}{top}/{name}" for name in names]
        missing = next((path for path in paths if path not in arrays), None)
        if missing is not None:
            raise mismatch(f"the array {missing!r} is named and not there")
        if len(expected) != len(names):
            raise mismatch(f"layer {top!r} should have {len(expected)} arrays and has {len(names)}")
        pairs = _pair(top, expected, names, [arrays[path] for path in paths])
        found.extend(matched(slot, variable, array) for slot, variable, array in pairs)
        used.update(paths)
    for path in arrays:
        if path not in used and not RANDOM_STATE & set(_parts(path)):
            raise mismatch(f"no layer uses the array {path!r}")
    order = {id(v): n for n, v in enumerate(v for slot in slots for v in slot.variables)}
    return sorted(found, key=lambda match: order.get(id(match.variable), -1))


def _custom_names(
    members: Sequence[Slot], names: Sequence[str]
) -> tuple[list[tuple[Slot, list[str]]], list[str]]:
    """Names of the arrays of custom layers, by layer, and those that are left."""
    own: list[tuple[Slot, list[str]]] = []
    left = list(names)
    for slot in members:
        if slot.custom:
            alone = len(members) == 1
            its = [name for name in left if alone or slot.chain[-1] in _parts(name)]
            own.append((slot, its))
            left = [name for name in left if name not in its]
    return own, left


def _weight_names(file: H5File, group: str) -> list[str]:
    if not file.has(group):
        return []
    names = file.names(group, "weight_names")
    return [name for name in names if not RANDOM_STATE & set(_parts(name))]


def _parts(name: str) -> list[str]:
    return [part.partition(":")[0] for part in name.split("/")]


_Expected = list[tuple[Slot, Variable]]


def _expected(members: Sequence[Slot]) -> _Expected:
    """In Keras's order of ``trainable_weights + non_trainable_weights``."""
    every = [(slot, variable) for slot in members for variable in slot.variables]
    return [p for p in every if p[0].trainable and p[1].trainable] + [
        p for p in every if not (p[0].trainable and p[1].trainable)
    ]


def _pair(
    top: str, expected: _Expected, names: Sequence[str], arrays: Sequence[Array]
) -> list[tuple[Slot, Variable, Array]]:
    by_name = _by_name(expected, names, arrays)
    if by_name is not None:
        return by_name
    for order in (expected, _layerwise(expected)):
        fitting = all(
            fits(array.shape, _in_file(slot, variable))
            and (slot.form.kernel == "flat" or _leaf_fits(name, variable))
            for (slot, variable), name, array in zip(order, names, arrays, strict=True)
        )
        if fitting:
            return [(s, v, a) for (s, v), a in zip(order, arrays, strict=True)]
    for (slot, variable), array in zip(expected, arrays, strict=True):
        matched(slot, variable, array)
    raise mismatch(f"the arrays of {top!r} have other names than its layers: {names[0]!r} ...")


def _layerwise(expected: _Expected) -> _Expected:
    """Layer by layer, each with its own order: how Keras 1 and early Keras 2 stored models."""
    slots: dict[int, Slot] = {id(slot): slot for slot, _ in expected}
    return [(slot, variable) for slot in slots.values() for variable in slot.variables]


_LEAVES = {
    "depthwise_kernel": ("depthwise_kernel", "kernel"),
    "running_mean": ("moving_mean",),
    "running_std": ("moving_variance",),
    "running_variance": ("moving_variance",),
}
_KNOWN_LEAVES = words(
    """kernel bias gamma beta moving_mean moving_variance depthwise_kernel pointwise_kernel alpha
    embeddings recurrent_kernel scale mean variance count running_mean running_std"""
)


def _leaf_fits(name: str, variable: Variable) -> bool:
    """Whether an array's own name may be that weight's; a name that says nothing may."""
    leaf = _parts(name)[-1]
    if leaf not in _KNOWN_LEAVES:
        return True
    return variable.name.rpartition("/")[2] in _LEAVES.get(leaf, (leaf,))


def _by_name(
    expected: _Expected, names: Sequence[str], arrays: Sequence[Array]
) -> list[tuple[Slot, Variable, Array]] | None:
    """Pairs where the names alone decide, else None."""
    one_layer = len({id(slot) for slot, _ in expected}) == 1
    index: dict[tuple[str, str], list[tuple[Slot, Variable]]] = {}
    for slot, variable in expected:
        leaf = variable.name.rpartition("/")[2]
        index.setdefault(("" if one_layer else slot.chain[-1], leaf), []).append((slot, variable))
    pairs: list[tuple[Slot, Variable, Array]] = []
    claimed: set[int] = set()
    for name, array in zip(names, arrays, strict=True):
        parts = _parts(name)
        owners = [""] if one_layer else parts[:-1]
        leaves = _LEAVES.get(parts[-1], (parts[-1],))
        candidates = [
            pair
            for owner in owners
            for leaf in leaves
            for pair in index.get((owner, leaf), ())
            if id(pair[1]) not in claimed and fits(array.shape, _in_file(*pair))
        ]
        if len(candidates) != 1:
            return None
        claimed.add(id(candidates[0][1]))
        pairs.append((*candidates[0], array))
    return pairs
