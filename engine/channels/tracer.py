"""What the ops tell while a graph is traced: atoms, ties, pins and which weight reads which.

Owns the growing state of one trace; :mod:`engine.channels.trace` turns it into frozen groups.
Ties are only collected here and solved at once later. It knows nothing of op kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.channels.provenance import squeeze, varying

Role = Literal["out", "in", "through"]
"""What a weight's axis does: makes channels, reads them, or goes along with them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Binding:
    """The atoms of the positions of one axis of one weight."""

    layer: str
    weight: str
    axis: int
    role: Role
    atoms: np.ndarray


class Tracer:
    """State of one trace.

    Parameters
    ----------
    through_norms
        Follow layer, group and unit norms instead of pinning what reaches them.
    """

    def __init__(self, *, through_norms: bool = False) -> None:
        self.through_norms = through_norms
        self.count = 0
        self.left: list[np.ndarray] = []
        self.right: list[np.ndarray] = []
        self.pins: list[tuple[np.ndarray, str]] = []
        self.bindings: dict[tuple[str, str, int], Binding] = {}
        self.producers: dict[str, np.ndarray] = {}
        self.notes: dict[str, str] = {}
        self.shared: dict[str, np.ndarray] = {}

    def fresh(self, count: int) -> np.ndarray:
        """New atoms."""
        atoms = np.arange(self.count, self.count + count, dtype=np.int64)
        self.count += count
        return atoms

    def tie(self, a: np.ndarray, b: np.ndarray) -> None:
        """Tie two arrays position by position (with broadcasting)."""
        if a is b:
            return
        a, b = np.broadcast_arrays(a, b)
        self.left.append(a.ravel())
        self.right.append(b.ravel())

    def tie_over(self, array: np.ndarray, axes: Sequence[int]) -> np.ndarray:
        """Tie all positions along ``axes``; these have size 1 in the answer."""
        axes = [axis for axis in axes if array.shape[axis] > 1]
        if not axes:
            return array
        first = array[tuple(slice(0, 1) if a in axes else slice(None) for a in range(array.ndim))]
        self.tie(array, first)
        return first

    def pin(self, array: np.ndarray, reason: str) -> None:
        """These channels cannot be removed, for a reason that a person can read."""
        self.pins.append((np.unique(array), reason))

    def bind(self, layer: str, weight: str, axis: int, atoms: np.ndarray, role: Role) -> None:
        """Say which atoms the positions of a weight's axis are; a second call ties."""
        key = (layer, weight, axis)
        old = self.bindings.get(key)
        if old is not None:
            self.tie(old.atoms, atoms)
            return
        self.bindings[key] = Binding(
            layer=layer, weight=weight, axis=axis, role=role, atoms=np.ascontiguousarray(atoms)
        )

    def produce(self, layer: str, weight: str, axis: int, count: int) -> np.ndarray:
        """The atoms of a layer's own channels: new at its first call, the same at the next."""
        atoms = self.producers.get(layer)
        if atoms is None:
            atoms = self.producers[layer] = self.fresh(count)
            self.bind(layer, weight, axis, atoms, "out")
        return atoms

    def read(self, array: np.ndarray, axis: int, size: int, reason: str) -> np.ndarray:
        """The atoms along ``axis`` for a kernel that sweeps or repeats over all other axes.

        Where another axis varies too its positions are tied; where only another one does, the
        kernel reads across channels and they are pinned with ``reason``.
        """
        others = [a for a in varying(array) if a != axis]
        if others and array.shape[axis] == 1 and size > 1:
            self.pin(array, reason)
            return np.broadcast_to(array.ravel()[:1], (size,))
        return np.broadcast_to(self.tie_over(array, others).ravel(), (size,))

    def follow(self, array: np.ndarray, axis: int, size: int) -> np.ndarray | None:
        """The atoms along ``axis`` for a weight that acts on each position by itself.

        None where channels do not vary along that axis.
        """
        others = [a for a in varying(array) if a != axis]
        if array.shape[axis] == 1 and (size > 1 or others):
            return None if others else np.broadcast_to(array.ravel(), (size,))
        return self.tie_over(array, others).ravel()

    def sweep(self, array: np.ndarray, axes: Sequence[int], reason: str) -> np.ndarray:
        """An op that mixes positions along ``axes`` and leaves the other axes alone."""
        mixed = [a for a in varying(array) if a in axes]
        if not mixed:
            return array
        array = squeeze(array, mixed)
        mixed = [a for a in mixed if array.shape[a] > 1]
        if mixed and not [a for a in varying(array) if a not in axes]:
            self.pin(array, reason)
            return array[
                tuple(slice(0, 1) if a in mixed else slice(None) for a in range(array.ndim))
            ]
        return self.tie_over(array, mixed)
