"""A model as its config tells it: layers with their calls, nested models still nested.

Owns the form between a file's JSON and the flat layer graph. Every layer here has a complete
Keras 3 config; calls name tensors by ``{"ref": [layer, call, output]}``. It knows nothing of how
any Keras version wrote it down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.modelfile.graph import Shape
from engine.modelfile.stored import AS_IT_IS, Form


@dataclass(slots=True, kw_only=True)
class Call:
    """One call of a layer: JSON with ``{"ref": [layer, call, output]}`` for tensors."""

    args: list[Any]
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Entry:
    """A layer, an operation or a nested model.

    ``slot`` is the name of its class as the file counts it in its weights (``"conv2d"``), None
    for what has no place there; ``position`` its place among the layers of its model, as the file
    lists them. ``form`` says how its arrays are stored. ``declared`` has the shapes that the file
    notes for the outputs of a layer of the user's own, by call and output.
    """

    name: str
    class_name: str
    module: str = "keras.layers"
    config: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    slot: str | None = None
    position: int | None = None
    declared: dict[tuple[int, int], Shape | None] = field(default_factory=dict)
    model: Model | None = None
    form: Form = AS_IT_IS


@dataclass(slots=True, kw_only=True)
class Model:
    """A Functional or Sequential model; ``inputs``/``outputs`` are structures of refs."""

    name: str
    entries: list[Entry]
    inputs: Any
    outputs: Any
    sequential: bool = False


def ref(layer: str, call: int, output: int) -> dict[str, Any]:
    """A reference to an output of a call."""
    return {"ref": [layer, call, output]}


def is_ref(value: object) -> bool:
    """Whether this is a reference."""
    return isinstance(value, Mapping) and len(value) == 1 and "ref" in value


def refs_in(value: object) -> Iterator[tuple[str, int, int]]:
    """References in JSON, in order of appearance."""
    if is_ref(value):
        layer, call, output = value["ref"]  # type: ignore[index]
        yield layer, call, output
    elif isinstance(value, list | tuple):
        for item in value:
            yield from refs_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from refs_in(item)


def map_refs(value: Any, change: Callable[[str, int, int], Any]) -> Any:
    """The same JSON with every reference replaced."""
    if is_ref(value):
        return change(*value["ref"])
    if isinstance(value, list | tuple):
        return [map_refs(item, change) for item in value]
    if isinstance(value, Mapping):
        return {key: map_refs(item, change) for key, item in value.items()}
    return value
