"""Which array of a TensorFlow checkpoint is which weight: by the graph of objects saved with it.

Owns the way from a layer to its arrays: the model's parts are called ``layer-0``, ``layer-1``, ...
in the order of the config, a layer's arrays as its attributes. Names of arrays are never guessed
at. It reads no values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.modelfile.build_graph import Slot
from engine.modelfile.bundle import Bundle, Owner
from engine.modelfile.match import RANDOM_STATE, Match, as_it_is, matched, mismatch
from engine.modelfile.weight_specs import Variable

_ATTRIBUTES = {
    "kernel": ("kernel", "depthwise_kernel", "gamma"),
    "mean": ("mean", "adapt_mean"),
    "variance": ("variance", "adapt_variance"),
}
"""Attributes that hold a weight where they are not called as it is; LayerScale's is gamma."""

_LISTS = frozenset(
    {"variables", "trainable_variables", "regularization_losses", "_self_saveable_object_factories"}
)
_NOT_LAYERS = frozenset({"keras_api", "optimizer", "signatures"})


def match_objects(slots: Sequence[Slot], bundle: Bundle, names: Mapping[str, str]) -> list[Match]:
    """Match the weights of a checkpoint by the objects that own them.

    Parameters
    ----------
    names
        Name of the layer at a path such as ``"root.layer-1.layer-0"``, where the file tells it.

    Raises
    ------
    UserError
        Where an array is missing, has another shape, belongs to another layer or to none.
    """
    owners = bundle.owners()
    arrays = bundle.arrays()
    told = {_at(owners, path.split(".")[1:]): name for path, name in names.items()}
    found: list[Match] = []
    used: set[str] = set()
    for slot in slots:
        if not slot.variables and not slot.custom:
            continue
        place = _at(owners, [f"layer-{position}" for position in slot.positions])
        if place is None:
            raise mismatch(f"layer {slot.layer!r} is not among the objects of the checkpoint")
        if told.get(place, slot.chain[-1]) != slot.chain[-1]:
            raise mismatch(f"the weights of {slot.layer!r} are noted as those of {told[place]!r}")
        if slot.custom:
            for name, key in _attributes(owners, place):
                used.add(key)
                found.append(as_it_is(slot, name, arrays[key]))
        for variable in slot.variables:
            at = _key(owners, place, variable)
            if at is None or at not in arrays:
                raise mismatch(f"layer {slot.layer!r} has no {variable.name!r}")
            used.add(at)
            used.update(_copies(owners, place, variable))
            found.append(matched(slot, variable, arrays[at]))
    for key in _keys_of_layers(owners):
        if key in arrays and key not in used:
            raise mismatch(f"no layer uses the array {key!r}")
    return found


def _at(owners: Sequence[Owner], path: Sequence[str], start: int = 0) -> int | None:
    """The object at the end of a path of parts; None where there is none."""
    place: int | None = start
    for part in path:
        if place is None or not 0 <= place < len(owners):
            return None
        parts = owners[place].parts
        place = parts.get(part, parts.get(f"_{part}"))
    return place if place is not None and 0 <= place < len(owners) else None


def _key(owners: Sequence[Owner], layer: int, variable: Variable) -> str | None:
    return _key_at(owners, layer, variable.place, variable.name)


def _key_at(owners: Sequence[Owner], layer: int, place: str, name: str) -> str | None:
    """Key of the array that stands at ``"cell/vars/0"`` below a layer, found by its name."""
    inner = place.split("/")[:-2]
    leaf = name.rpartition("/")[2]
    for attribute in _ATTRIBUTES.get(leaf, (leaf,)):
        found = _at(owners, [*inner, attribute], layer)
        if found is not None and owners[found].key is not None:
            return owners[found].key
    return None


def _copies(owners: Sequence[Owner], layer: int, variable: Variable) -> Iterator[str]:
    for place in variable.copies:
        key = _key_at(owners, layer, place, variable.name)
        if key is not None:
            yield key


def _attributes(owners: Sequence[Owner], layer: int) -> Iterator[tuple[str, str]]:
    """Arrays of a custom layer by the shortest way to each, ``".dense.kernel"``."""
    seen: set[int] = {layer}
    ways = [("", layer)]
    for way, place in ways:  # grows while it is walked
        for part, inner in sorted(owners[place].parts.items()):
            if part in _NOT_LAYERS | _LISTS | RANDOM_STATE or inner in seen:
                continue
            if not 0 <= inner < len(owners):
                continue
            seen.add(inner)
            ways.append((f"{way}.{part}", inner))
            key = owners[inner].key
            if key is not None:
                yield f"{way}.{part}", key


def _keys_of_layers(owners: Sequence[Owner]) -> Iterator[str]:
    """Keys of all arrays below the model's layers, without random state."""
    if not owners:
        return
    seen: set[int] = set()
    stack = [place for part, place in owners[0].parts.items() if part.startswith("layer-")]
    while stack:
        place = stack.pop()
        if place in seen or not 0 <= place < len(owners):
            continue
        seen.add(place)
        owner = owners[place]
        if owner.key is not None:
            yield owner.key
        stack.extend(
            inner
            for part, inner in owner.parts.items()
            if part not in _NOT_LAYERS and part not in RANDOM_STATE
        )
