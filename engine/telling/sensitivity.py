"""Sensitivity as a table: groups as rows, keep ratios as columns, the probed metric in the cells.

Owns which measured point stands in which cell and what a group is called. It knows nothing of
colours or of how a cell is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.events import SensitivityMeasured
from engine.runstate import RunState
from engine.telling import units

KEEPS = (0.75, 0.5, 0.3, 0.15, 0.08)
"""Heads of the columns; a point stands under the nearest, for widths are whole channels."""

HALF = KEEPS.index(0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One group: the layers that it ties, its channels, and a point a column (None: not probed)."""

    group: str
    name: str
    layers: tuple[str, ...]
    channels: int | None
    cells: tuple[SensitivityMeasured | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """The whole table; ``worst`` and ``best`` are the ends of the values, None without points."""

    rows: tuple[Row, ...] = ()
    metric: str | None = None
    higher_is_better: bool = True
    worst: float | None = None
    best: float | None = None

    def badness(self, value: float) -> float:
        """Where a value lies between the best (0) and the worst (1)."""
        if self.worst is None or self.best is None or self.worst == self.best:
            return 0.0
        return (value - self.best) / (self.worst - self.best)


def heat(state: RunState) -> Heat:
    """The table of a run, as far as it was probed; values that are no numbers are left out."""
    base = state.baseline
    higher = base is None or base.higher_is_better
    found: dict[str, dict[int, SensitivityMeasured]] = {}
    for point in state.sensitivity:
        if math.isfinite(point.value) and math.isfinite(point.keep):
            away = [abs(keep - point.keep) for keep in KEEPS]
            found.setdefault(point.group, {})[away.index(min(away))] = point
    values = [p.value for cells in found.values() for p in cells.values()]
    low, high = min(values, default=None), max(values, default=None)
    return Heat(
        rows=tuple(_row(state, group, cells) for group, cells in found.items()),
        metric=None if base is None else base.metric,
        higher_is_better=higher,
        worst=low if higher else high,
        best=high if higher else low,
    )


def at_half(state: RunState) -> dict[str, float]:
    """Divergence in nats of each group cut alone to about half, by group."""
    return {
        row.group: point.loss
        for row in heat(state).rows
        if (point := row.cells[HALF]) is not None and math.isfinite(point.loss)
    }


def describe(table: Heat, row: Row, point: SensitivityMeasured | None) -> str:
    """A cell in some lines."""
    more = len(row.layers) - 1
    head = f"{row.name} and {units.plural(more, 'layer')} tied to it" if more > 0 else row.name
    if point is None:
        return f"{head}\nnot probed at this width"
    of = "" if row.channels is None else f" of {row.channels}"
    return (
        f"{head}\n{point.kept}{of} channels left ({units.percent(point.keep, 0)})\n"
        f"{units.metric_name(table.metric)} {units.metric_value(point.value, table.metric)}"
        f" on training images, not trained\ndivergence {point.loss:.3g} nats"
    )


def _row(state: RunState, group: str, cells: dict[int, SensitivityMeasured]) -> Row:
    tied = [s for s in (() if state.model is None else state.model.layers) if s.group == group]
    makers = [s for s in tied if s.prunable_weights > 0] or tied
    return Row(
        group=group,
        name=makers[0].name if makers else group,
        layers=tuple(s.name for s in tied),
        channels=makers[0].channels if makers else None,
        cells=tuple(cells.get(index) for index in range(len(KEEPS))),
    )
