"""From the tree of a model to the flat layer graph.

Owns flattening: nested models are inlined under ``"outer/inner"`` names, shared layers get one
node per call, calls are put in topological order, shapes are inferred and the expected weights of
every layer noted. It knows nothing of files; what a layer's weights are called in the file is
handed on as :class:`Slot`.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.modelfile import classes
from engine.modelfile.custom_entries import is_custom
from engine.modelfile.graph import Layer, LayerGraph, Node, Shape, Tensor
from engine.modelfile.objects import bad_config
from engine.modelfile.shape_rules import ShapeError
from engine.modelfile.shapes import infer_outputs, tensor_ids
from engine.modelfile.stored import AS_IT_IS, Form
from engine.modelfile.tree import Entry, Model, map_refs, refs_in
from engine.modelfile.weight_specs import Variable, variables

MAX_NODES = 20_000
_CALL_ARGUMENTS = frozenset({"training"})


@dataclass(slots=True, kw_only=True)
class Slot:
    """Where the weights of one layer stand: its group in a ``.keras`` file, its chain of models.

    ``path`` is such as ``"layers/functional/layers/conv2d_1"``; ``top`` the name of the outermost
    layer, by which ``.h5`` files group them; ``chain`` the names from there to the layer and
    ``positions`` the same way as places among the layers of each model. A ``custom`` layer's
    variables are whatever the file has for it.
    """

    layer: str
    path: str | None
    chain: tuple[str, ...]
    positions: tuple[int | None, ...] = ()
    variables: tuple[Variable, ...] = ()
    trainable: bool = True
    form: Form = AS_IT_IS
    custom: bool = False

    @property
    def top(self) -> str:
        """Name of the outermost layer or model that holds it."""
        return self.chain[0]


@dataclass(slots=True, kw_only=True)
class Built:
    """The graph without weight specs, and the slots of its layers in the file's order."""

    graph: LayerGraph
    slots: list[Slot]


@dataclass(slots=True)
class _Builder:
    layers: dict[str, Layer] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    slots: dict[str, Slot] = field(default_factory=dict)

    def add_tensors(self, tensors: Sequence[Tensor]) -> tuple[int, ...]:
        first = len(self.tensors)
        self.tensors.extend(tensors)
        return tuple(range(first, len(self.tensors)))

    def add_node(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        outputs: int,
        declared: Mapping[int, Shape | None],
    ) -> tuple[int, ...]:
        if len(self.nodes) >= MAX_NODES:
            raise bad_config(f"more than {MAX_NODES} calls")
        layer = self.layers[name]
        try:
            found = infer_outputs(layer, args, kwargs, lambda i: self.tensors[i], outputs)
        except ShapeError as error:
            raise bad_config(str(error)) from None
        found = [
            replace(tensor, shape=declared[index]) if index in declared else tensor
            for index, tensor in enumerate(found)
        ]
        made = self.add_tensors(found)
        self.nodes.append(
            Node(
                layer=name,
                inputs=tuple(tensor_ids([*args, dict(kwargs)])),
                outputs=made,
                args=tuple(args),
                kwargs=dict(kwargs),
            )
        )
        return made


def build(model: Model) -> Built:
    """The flat graph of a model.

    Raises
    ------
    UserError
        Where calls are missing or go in a circle, or shapes do not fit together.
    """
    builder = _Builder()
    used = _Walk(builder, model, prefix="", path="", chain=(), places=(), trainable=True)
    outputs = used.run(None, {})
    inputs = map_refs(model.inputs, used.tensor)
    # in the order of their first calls: a nested model's layers stand where it is called
    order = dict.fromkeys([*(node.layer for node in builder.nodes), *builder.layers])
    graph = LayerGraph(
        name=model.name,
        layers={name: builder.layers[name] for name in order},
        nodes=tuple(builder.nodes),
        tensors=tuple(builder.tensors),
        inputs=tuple(tensor_ids(inputs)),
        outputs=tuple(tensor_ids(outputs)),
        input_structure=inputs,
        output_structure=outputs,
    )
    return Built(graph=graph, slots=list(builder.slots.values()))


class _Walk:
    """One pass over one model: the outer one, or one call of a nested one."""

    def __init__(
        self,
        builder: _Builder,
        model: Model,
        *,
        prefix: str,
        path: str,
        chain: tuple[str, ...],
        places: tuple[int | None, ...],
        trainable: bool,
    ) -> None:
        self.builder = builder
        self.model = model
        self.prefix = prefix
        self.path = path
        self.chain = chain
        self.places = places
        self.trainable = trainable
        self.entries = {entry.name: entry for entry in model.entries}
        self.paths = _paths(model, path)
        self.made: dict[tuple[str, int], tuple[int, ...]] = {}
        self.wanted = self._wanted_outputs()

    def _wanted_outputs(self) -> dict[tuple[str, int], int]:
        wanted: dict[tuple[str, int], int] = {}
        places = [[call.args, call.kwargs] for e in self.model.entries for call in e.calls]
        for layer, number, output in refs_in([places, self.model.outputs]):
            key = (layer, number)
            if output > 4096:
                raise bad_config(f"output {output} of layer {layer!r}")
            wanted[key] = max(wanted.get(key, 1), output + 1)
        return wanted

    def tensor(self, layer: str, call: int, output: int) -> dict[str, int]:
        """The tensor of a reference, once its call was made."""
        made = self.made.get((layer, call))
        if made is None or output >= len(made):
            raise bad_config(f"output {output} of call {call} of layer {layer!r} does not exist")
        return {"tensor": made[output]}

    def run(self, given: Any, call_arguments: Mapping[str, Any]) -> Any:
        """Make every call; the structure of the outputs, with ``{"tensor": id}`` leaves.

        ``given`` is None for the outer model, else the structure of tensors it is called on.
        """
        for entry in self.model.entries:
            self._add_layer(entry)
        if given is not None:
            self._bind(given)
        for name, number in self._order():
            if (name, number) not in self.made:
                self._make(self.entries[name], number, call_arguments)
        return map_refs(self.model.outputs, self.tensor)

    def _add_layer(self, entry: Entry) -> None:
        if entry.model is not None or (entry.class_name == "InputLayer" and self.prefix):
            return
        name = self.prefix + entry.name
        if name in self.builder.layers:
            if name not in self.builder.slots:
                raise bad_config(f"two layers of the name {name!r}")
            return
        config = dict(entry.config)
        if "trainable" in config:
            config["trainable"] = bool(config["trainable"]) and self.trainable
        self.builder.layers[name] = Layer(
            name=name,
            class_name=entry.class_name,
            config=config,
            module=entry.module,
            opaque=_reason(name, entry),
        )
        self.builder.slots[name] = Slot(
            layer=name,
            path=self.paths.get(entry.name),
            chain=(*self.chain, entry.name),
            positions=(*self.places, entry.position),
            trainable=bool(config.get("trainable", True)),
            form=entry.form,
            custom=is_custom(entry),
        )

    def _bind(self, given: Any) -> None:
        """Let the nested model's inputs be the tensors that it is called on."""
        wanted, have = self.model.inputs, given
        if isinstance(wanted, Mapping) and isinstance(have, Mapping) and "ref" not in wanted:
            if set(wanted) != set(have):
                raise bad_config(f"the model {self.model.name!r} is called with other names")
            pairs = [(wanted[key], have[key]) for key in wanted]
            flat = [
                (r, t) for w, h in pairs for r, t in zip(refs_in(w), tensor_ids(h), strict=True)
            ]
        else:
            refs, ids = list(refs_in(wanted)), tensor_ids(have)
            if len(refs) != len(ids):
                raise bad_config(
                    f"the model {self.model.name!r} takes {len(refs)} inputs and gets {len(ids)}"
                )
            flat = list(zip(refs, ids, strict=True))
        for (layer, number, _), tensor in flat:
            self.made[(layer, number)] = (tensor,)

    def _order(self) -> list[tuple[str, int]]:
        """Calls in an order in which every tensor exists before it is read (Kahn's algorithm)."""
        places: dict[tuple[str, int], int] = {}
        for entry in self.model.entries:
            for number in range(len(entry.calls)):
                places[(entry.name, number)] = len(places)
        waiting: dict[tuple[str, int], int] = {}
        readers: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for key in places:
            call = self.entries[key[0]].calls[key[1]]
            sources = {(layer, n) for layer, n, _ in refs_in([call.args, call.kwargs])}
            if key[1] > 0:
                sources.add((key[0], key[1] - 1))
            for source in sources:
                if source not in places:
                    raise bad_config(f"layer {key[0]!r} reads {source[0]!r}, which is not there")
                readers.setdefault(source, []).append(key)
            waiting[key] = len(sources)
        ready = [(place, key) for key, place in places.items() if not waiting[key]]
        heapq.heapify(ready)
        order: list[tuple[str, int]] = []
        while ready:
            _, key = heapq.heappop(ready)
            order.append(key)
            for reader in readers.get(key, ()):
                waiting[reader] -= 1
                if not waiting[reader]:
                    heapq.heappush(ready, (places[reader], reader))
        if len(order) < len(places):
            stuck = next(key[0] for key in places if waiting[key])
            raise bad_config(f"the calls go in a circle at layer {stuck!r}")
        return order

    def _make(self, entry: Entry, number: int, call_arguments: Mapping[str, Any]) -> None:
        call = entry.calls[number]
        args = map_refs(call.args, self.tensor)
        kwargs = {**map_refs(call.kwargs, self.tensor), **call_arguments}
        if entry.model is not None:
            self.made[(entry.name, number)] = self._inline(entry, args, kwargs)
            return
        if not call.args and not call.kwargs and entry.class_name != "InputLayer":
            raise bad_config(f"layer {entry.name!r} is called without a tensor")
        if entry.class_name not in classes.TRAINING_LAYERS:
            kwargs.pop("training", None)
        name = self.prefix + entry.name
        wanted = self.wanted.get((entry.name, number), 1)
        self._note_variables(entry, name, args, kwargs)
        declared = {n: shape for (call, n), shape in entry.declared.items() if call == number}
        self.made[(entry.name, number)] = self.builder.add_node(
            name, args, kwargs, wanted, declared
        )

    def _note_variables(
        self, entry: Entry, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        slot = self.builder.slots.get(name)
        if slot is None or slot.variables or entry.module != "keras.layers":
            return
        shapes = [self.builder.tensors[i].shape for i in tensor_ids([*args, dict(kwargs)])]
        try:
            slot.variables = variables(entry.class_name, entry.config, shapes)
        except ShapeError as error:
            raise bad_config(f"layer {name!r} ({entry.class_name}): {error}") from None

    def _inline(self, entry: Entry, args: Any, kwargs: Mapping[str, Any]) -> tuple[int, ...]:
        assert entry.model is not None
        passed = {k: v for k, v in kwargs.items() if k in _CALL_ARGUMENTS and not tensor_ids(v)}
        rest = {k: v for k, v in kwargs.items() if k not in _CALL_ARGUMENTS}
        given = args[0] if len(args) == 1 and not rest else [*args, *rest.values()]
        if not args and len(rest) == 1:
            given = next(iter(rest.values()))
        inner = _Walk(
            self.builder,
            entry.model,
            prefix=f"{self.prefix}{entry.name}/",
            path=self.paths.get(entry.name, ""),
            chain=(*self.chain, entry.name),
            places=(*self.places, entry.position),
            trainable=self.trainable,
        )
        out = inner.run(given, passed)
        return tuple(tensor_ids(out))


def _reason(name: str, entry: Entry) -> str | None:
    if is_custom(entry):
        return f"layer '{name}' is of your own class {entry.class_name}; it is carried along as is"
    return classes.OPAQUE.get(entry.class_name)


def _paths(model: Model, path: str) -> dict[str, str]:
    """Group of each layer in a ``.keras`` file: its class, counted within its model."""
    counts: dict[str, int] = {}
    paths: dict[str, str] = {}
    for entry in model.entries:
        if entry.slot is None:
            continue
        number = counts.get(entry.slot, 0)
        counts[entry.slot] = number + 1
        name = entry.slot if not number else f"{entry.slot}_{number}"
        paths[entry.name] = f"{path}/layers/{name}".lstrip("/")
    return paths
