"""What a trace gives: channel groups, their units, and which weight positions each unit holds.

Owns the frozen answer that plans, criteria, surgery and the layer table read. A *unit* cannot be
split; a *group* is a set of layers whose channels share units. It knows nothing of how they were
found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.channels.tracer import Role
from engine.modelfile.graph import LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGroup:
    """Channels, over all layers tied by adds, depthwise convolutions, norms ..., as units.

    ``channels`` counts units (0 .. channels-1 index them inside the group); global unit indices
    begin at ``first_unit``. ``pinned`` of them can never be removed. ``producers`` make the
    channels, ``layers`` are all whose weights shrink with them (readers not among them).
    ``reason`` says why nothing of the group can be removed, or why ``pinned`` units cannot.
    """

    id: str
    channels: int
    layers: tuple[str, ...]
    prunable: bool
    reason: str | None
    producers: tuple[str, ...]
    first_unit: int
    pinned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of one weight: the global unit of each position, -1 where it is no channel."""

    layer: str
    weight: str
    axis: int
    role: Role
    units: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channels:
    """The channel groups of one graph.

    ``graph_digest`` binds plans to the graph, and to ``through_norms``, which may tie otherwise.
    ``unit_group`` is the position in ``groups`` of each global unit; ``removable`` says which
    units a plan may leave out. ``tensor_units`` has, per tensor id, the units over its non-batch
    axes (at most one axis has a size above 1; None where nothing is known). Of each array of
    ``floors`` (global units) at least one must be kept, or a tensor would be empty. ``least`` has
    the fewest channels that plans leave of a group where a person said so, by id.
    """

    graph: LayerGraph
    graph_digest: str
    through_norms: bool
    groups: tuple[ChannelGroup, ...]
    unit_group: np.ndarray
    removable: np.ndarray
    tensor_units: tuple[np.ndarray | None, ...]
    axes: tuple[Axis, ...]
    floors: tuple[np.ndarray, ...] = ()
    excluded: tuple[str, ...] = ()
    least: Mapping[str, int] = field(default_factory=dict)
    layer_groups: Mapping[str, str] = field(default_factory=dict)
    layer_reasons: Mapping[str, str] = field(default_factory=dict)
    _index: Mapping[tuple[str, str, int], Axis] = field(default_factory=dict)

    def group(self, group_id: str) -> ChannelGroup:
        """The group of that id.

        Raises
        ------
        KeyError
            Where there is none.
        """
        number = int(group_id[1:]) - 1 if group_id[1:].isdecimal() else -1
        if not 0 <= number < len(self.groups) or self.groups[number].id != group_id:
            raise KeyError(group_id)
        return self.groups[number]

    def units(self, group_id: str) -> np.ndarray:
        """Global unit indices of a group."""
        group = self.group(group_id)
        return np.arange(group.first_unit, group.first_unit + group.channels)

    def least_of(self, group_id: str) -> int:
        """The fewest channels that a plan leaves of a group."""
        return max(1, self.least.get(group_id, 1))

    def removable_units(self, group_id: str) -> np.ndarray:
        """Mask over a group's units: which may be removed."""
        group = self.group(group_id)
        mask: np.ndarray = self.removable[group.first_unit : group.first_unit + group.channels]
        return mask

    def layer_group(self, name: str) -> str | None:
        """Id of the group in which a layer's own channels are; None where it has none."""
        return self.layer_groups.get(name)

    def layer_reason(self, name: str) -> str | None:
        """Why a layer's channels cannot be cut; None where they can."""
        return self.layer_reasons.get(name)

    def weight_units(self, layer: str, weight: str, axis: int) -> np.ndarray | None:
        """Global unit of each position of a weight's axis, -1 = fixed; None: all of it is."""
        found = self._index.get((layer, weight, axis))
        return None if found is None else found.units

    def weight_role(self, layer: str, weight: str, axis: int) -> Role | None:
        """Whether that axis makes channels, reads them or goes along with them."""
        found = self._index.get((layer, weight, axis))
        return None if found is None else found.role

    def widths(self, keep: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
        """Channels left in each producer under a plan's ``keep``, by layer name."""
        kept = self.keep_mask(keep)
        return {
            a.layer: int(np.where(a.units < 0, True, kept[a.units]).sum())
            for a in self.axes
            if a.role == "out"
        }

    def keep_mask(self, keep: Mapping[str, tuple[int, ...]]) -> np.ndarray:
        """Which global units are kept; groups that ``keep`` does not name are kept whole."""
        mask = np.ones(self.unit_group.size, dtype=bool)
        for group_id, kept in keep.items():
            group = self.group(group_id)
            inside = np.zeros(group.channels, dtype=bool)
            inside[list(kept)] = True
            mask[group.first_unit : group.first_unit + group.channels] = inside
        return mask
