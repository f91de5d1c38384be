"""From a layer graph to channel groups: every call told by its op, all ties solved at once.

Owns the walk, the solving of ties (connected components), the rule that a cut must leave every
tensor rectangular, and the choice of units and groups. What an op does is told in
:mod:`engine.channels.ops`. No Keras, no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from engine.channels.groups import Axis, ChannelGroup, Channels
from engine.channels.ops import Call, op_of
from engine.channels.ops.base import default_atoms
from engine.channels.ops.opaque import UNKNOWN
from engine.channels.provenance import squeeze, varying
from engine.channels.tracer import Tracer
from engine.errors import UserError
from engine.modelfile import digest
from engine.modelfile.graph import LayerGraph, Node, Shape

NO_CHANNELS = "has no channels of its own"


def call_of(graph: LayerGraph, node: Node) -> Call | None:
    """A node as its op sees it; None where a shape is not known."""
    shapes = [graph.shape(i) for i in (*node.inputs, *node.outputs)]
    known: list[Shape] = [s for s in shapes if s is not None and len(s) > 0]
    if len(known) != len(shapes):
        return None
    return Call(
        graph=graph,
        layer=graph.layers[node.layer],
        node=node,
        in_shapes=tuple(known[: len(node.inputs)]),
        out_shapes=tuple(known[len(node.inputs) :]),
    )


def trace(
    graph: LayerGraph, *, through_norms: bool = False, exclude: Collection[str] = ()
) -> Channels:
    """Find the channel groups of a graph.

    Parameters
    ----------
    graph
        The model, shapes known where our rules know them.
    through_norms
        Follow layer, group and unit norms too; cutting them changes their statistics.
    exclude
        Layers whose channels are to be left alone, by name or pattern (``block1_*``), or groups
        by id.

    Returns
    -------
    Channels
        Groups in order of their first producer.

    Raises
    ------
    UserError
        Where a name to exclude is no layer's and no group's.
    """
    left_alone = _named(graph, exclude, through_norms=through_norms)
    t = Tracer(through_norms=through_norms)
    tensors: list[np.ndarray | None] = [None] * len(graph.tensors)
    for node in graph.nodes:
        for tensor, atoms in zip(node.outputs, _visit(t, graph, node, tensors), strict=True):
            tensors[tensor] = atoms
            if atoms is not None and node.layer in left_alone:
                t.pin(atoms, f"layer '{node.layer}' is excluded by you")
    outputs = [tensors[i] for i in graph.outputs]
    t.pins[:0] = [(np.unique(a), "feeds the model output") for a in outputs if a is not None]
    return _solve(t, graph, tensors, tuple(exclude))


def _named(graph: LayerGraph, exclude: Collection[str], *, through_norms: bool) -> set[str]:
    """The layers meant by names, patterns and group ids.

    A saved cut has "outer.inner" for "outer/inner": either is found.
    """
    found: set[str] = set()
    for wanted in exclude:
        dotted = wanted.replace("/", ".")
        layers = {
            name
            for name in graph.layers
            if dotted == name.replace("/", ".") or fnmatchcase(name.replace("/", "."), dotted)
        }
        if not layers:
            groups = trace(graph, through_norms=through_norms).groups
            layers = {name for g in groups if g.id == wanted for name in g.producers}
        if not layers:
            raise UserError(
                "exclude.no_such_layer",
                f"There is neither a layer nor a channel group of that name to exclude: {wanted}.",
                "Use a name that 'secateur inspect' lists, or a pattern such as 'block1_*'.",
            )
        found |= layers
    return found


def _visit(
    t: Tracer, graph: LayerGraph, node: Node, tensors: Sequence[np.ndarray | None]
) -> list[np.ndarray | None]:
    call = call_of(graph, node)
    ins = [tensors[i] for i in node.inputs]
    known = [a for a in ins if a is not None]
    layer = graph.layers[node.layer]
    if call is None or len(known) < len(ins):
        unknown = f"layer '{layer.name}' ({layer.class_name}) has a shape that is not known"
        reason = unknown if layer.opaque is None else UNKNOWN.why(layer)
        for atoms in known:
            t.pin(atoms, reason)
        t.notes.setdefault(layer.name, reason)
        outs: list[np.ndarray | None] = []
        for tensor in node.outputs:
            shape = graph.shape(tensor)
            fresh = None if not shape else default_atoms(t, shape)
            if fresh is not None:
                t.pin(fresh, reason)
            outs.append(fresh)
        return outs
    made = op_of(layer).trace(t, call, known)
    if len(made) != len(node.outputs):
        return list(UNKNOWN.trace(t, call, known))
    return list(made)


def _components(t: Tracer) -> np.ndarray:
    """The class of each atom."""
    if not t.left:
        return np.arange(t.count)
    left, right = np.concatenate(t.left), np.concatenate(t.right)
    t.left, t.right = [left], [right]
    links = coo_matrix((np.ones(left.size, np.int8), (left, right)), (t.count, t.count))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _solve(
    t: Tracer, graph: LayerGraph, tensors: Sequence[np.ndarray | None], exclude: tuple[str, ...]
) -> Channels:
    roots, boxes = _rectangular(t, tensors)
    reasons = _pin_reasons(t, roots)
    units = _Units(t, roots, reasons)
    places = {id(box): units.of_root[box] for box in boxes if box is not None}
    tensor_units = tuple(None if box is None else places[id(box)] for box in boxes)
    removable, floors = units.removable(places.values())
    axes = tuple(
        Axis(
            layer=b.layer,
            weight=b.weight,
            axis=b.axis,
            role=b.role,
            units=units.of_root[roots[b.atoms]],
        )
        for b in t.bindings.values()
    )
    groups = units.groups(axes, removable)
    layer_groups, layer_reasons = _layers(t, graph, groups, axes, units.unit_group)
    return Channels(
        graph=graph,
        graph_digest=digest(graph) + ("+norms" if t.through_norms else ""),
        through_norms=t.through_norms,
        excluded=exclude,
        groups=groups,
        unit_group=units.unit_group,
        removable=removable,
        tensor_units=tensor_units,
        axes=axes,
        floors=floors,
        layer_groups=layer_groups,
        layer_reasons=layer_reasons,
        _index={(a.layer, a.weight, a.axis): a for a in axes},
    )


def _rectangular(
    t: Tracer, tensors: Sequence[np.ndarray | None]
) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Tie until every tensor's classes lie along one axis, so that a cut leaves a box.

    Returns the class of each atom and, per tensor, the classes over its axes.
    """
    while True:
        roots = _components(t)
        seen: dict[int, np.ndarray] = {}
        tied = False
        boxes: list[np.ndarray | None] = []
        for atoms in tensors:
            if atoms is None:
                boxes.append(None)
                continue
            box = seen.get(id(atoms))
            if box is None:
                box = seen[id(atoms)] = squeeze(roots[atoms])
                axes = varying(box)
                if len(axes) > 1:
                    _tie_to_one_axis(t, atoms, box, axes)
                    tied = True
            boxes.append(box)
        if not tied:
            return roots, boxes


def _tie_to_one_axis(t: Tracer, atoms: np.ndarray, box: np.ndarray, axes: tuple[int, ...]) -> None:
    """Choose the axis that can be cut: the one that leaves most classes, the last of equals."""

    def classes(axis: int) -> int:
        rows = np.moveaxis(box, axis, 0).reshape(box.shape[axis], -1)
        pairs = coo_matrix(
            (
                np.ones(rows.size, np.int8),
                (
                    np.repeat(np.arange(len(rows)), rows.shape[1]),
                    np.unique(rows, return_inverse=True)[1].ravel(),
                ),
            ),
            (len(rows), np.unique(rows).size),
        )
        return int(connected_components(_bipartite(pairs), directed=False)[0])

    best = max(axes, key=lambda a: (classes(a), a))
    t.tie_over(atoms, [a for a in range(atoms.ndim) if a != best])


def _bipartite(pairs: coo_matrix) -> coo_matrix:
    rows, columns = pairs.shape
    size = rows + columns
    return coo_matrix((pairs.data, (pairs.row, pairs.col + rows)), (size, size))


def _pin_reasons(t: Tracer, roots: np.ndarray) -> dict[int, str]:
    """The first reason that pins each class."""
    reasons: dict[int, str] = {}
    for atoms, reason in t.pins:
        for root in np.unique(roots[atoms]).tolist():
            reasons.setdefault(root, reason)
    return reasons


class _Units:
    """Numbers the classes that producers make, group by group."""

    def __init__(self, t: Tracer, roots: np.ndarray, reasons: dict[int, str]) -> None:
        self.reasons = reasons
        count = int(roots.max()) + 1 if roots.size else 0
        made = [(name, roots[atoms]) for name, atoms in t.producers.items()]
        group_of = self._join(made, count)
        order: dict[int, list[np.ndarray]] = {}
        self.producers: dict[int, list[str]] = {}
        for number, (name, classes) in enumerate(made):
            order.setdefault(group_of[number], []).append(classes)
            self.producers.setdefault(group_of[number], []).append(name)
        self.of_root = np.full(max(count, 1), -1, dtype=np.int64)
        self.roots: list[int] = []
        self.ranges: list[tuple[int, int]] = []
        for parts in order.values():
            classes = np.concatenate(parts)
            _, first = np.unique(classes, return_index=True)
            distinct = classes[np.sort(first)]
            start = len(self.roots)
            self.of_root[distinct] = np.arange(start, start + distinct.size)
            self.roots.extend(distinct.tolist())
            self.ranges.append((start, distinct.size))
        self.unit_group = np.repeat(
            np.arange(len(self.ranges)), [n for _, n in self.ranges]
        ).astype(np.int64)

    @staticmethod
    def _join(made: list[tuple[str, np.ndarray]], count: int) -> list[int]:
        """A number for each producer: equal where they share a class."""
        if not made:
            return []
        rows = np.repeat(np.arange(len(made)), [c.size for _, c in made])
        columns = np.concatenate([c for _, c in made])
        pairs = coo_matrix((np.ones(rows.size, np.int8), (rows, columns)), (len(made), count))
        labels = connected_components(_bipartite(pairs), directed=False)[1][: len(made)]
        return [int(label) for label in labels]

    def removable(self, tensors: Iterable[np.ndarray]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Which units may go, and the sets of which one must stay."""
        pinned = np.array([root in self.reasons for root in self.roots], dtype=bool)
        mask = ~pinned
        floors: dict[bytes, np.ndarray] = {}
        sizes = np.array([n for _, n in self.ranges], dtype=np.int64)
        for units in tensors:
            held = np.unique(units)
            if not held.size or held[0] < 0 or not mask[held].all():
                continue
            inside = np.bincount(self.unit_group[held], minlength=sizes.size)
            if (inside == sizes).any():
                continue
            if held.size == 1:
                mask[held] = False
                self.reasons[self.roots[int(held[0])]] = "is the only channel of a tensor"
                continue
            floors[held.tobytes()] = held
        return mask, tuple(f for f in floors.values() if mask[f].all())

    def groups(self, axes: tuple[Axis, ...], removable: np.ndarray) -> tuple[ChannelGroup, ...]:
        """The frozen groups."""
        layers: list[dict[str, None]] = [{} for _ in self.ranges]
        for axis in axes:
            if axis.role == "in":
                continue
            for number in np.unique(self.unit_group[axis.units[axis.units >= 0]]).tolist():
                layers[number][axis.layer] = None
        out = []
        for number, ((start, size), names) in enumerate(
            zip(self.ranges, self.producers.values(), strict=True)
        ):
            free = int(removable[start : start + size].sum())
            reason = next(
                (self.reasons[r] for r in self.roots[start : start + size] if r in self.reasons),
                None,
            )
            prunable = size > 1 and free > 0
            if not prunable and reason is None:
                reason = "its channels are all tied together and cannot be removed one by one"
            out.append(
                ChannelGroup(
                    id=f"g{number + 1}",
                    channels=size,
                    layers=tuple(layers[number]),
                    prunable=prunable,
                    reason=reason,
                    producers=tuple(names),
                    first_unit=start,
                    pinned=size - free,
                )
            )
        return tuple(out)


def _layers(
    t: Tracer,
    graph: LayerGraph,
    groups: tuple[ChannelGroup, ...],
    axes: tuple[Axis, ...],
    unit_group: np.ndarray,
) -> tuple[dict[str, str], dict[str, str]]:
    """Group of each layer, and the reason where it cannot be cut."""
    of: dict[str, str] = {}
    for group in groups:
        for name in group.producers:
            of[name] = group.id
    for axis in axes:
        units = axis.units[axis.units >= 0]
        if axis.role == "through" and units.size and axis.layer not in of:
            of[axis.layer] = groups[int(unit_group[units[0]])].id
    by_id = {group.id: group for group in groups}
    why: dict[str, str] = {}
    for name in graph.layers:
        if name in of:
            group = by_id[of[name]]
            if not group.prunable and group.reason is not None:
                why[name] = group.reason
        else:
            why[name] = t.notes.get(name, NO_CHANNELS)
    return of, why
