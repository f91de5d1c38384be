"""The classes of a comparison as a Qt model. It knows nothing of widgets."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QObject

from engine.comparison import ByClass, Comparison
from engine.telling import units
from engine.telling.changes import FIGURES, change_of
from gui.models.rows import Column, RowsModel, csv_of

MANY = 100_000
"""What is more than this, pixels as a rule, is told in three figures."""


class ClassesModel(RowsModel[ByClass]):
    """One row a class: its name, how much there is of it, its figure before and after."""

    def __init__(self, parent: QObject | None = None) -> None:
        self.metric = "accuracy"
        columns: tuple[Column[ByClass], ...] = (
            Column(head="Class", text=lambda r: r.name, key=lambda r: r.name.lower(), number=False),
            Column(
                head="Count",
                text=lambda r: (units.count if r.count < MANY else units.short_count)(r.count),
                key=lambda r: r.count,
                tip="Samples of the class in the search split; pixels where these are judged",
            ),
            Column(
                head="As opened",
                text=lambda r: units.metric_value(r.before, self.metric),
                key=_known(lambda r: r.before),
                tip="Of the model before any cut",
            ),
            Column(
                head="After",
                text=lambda r: units.metric_value(r.after, self.metric),
                key=_known(lambda r: r.after),
                tip="Of the checkpoint",
            ),
            Column(
                head="Change",
                text=lambda r: units.metric_difference(change_of(r), self.metric, signed=True),
                key=_known(change_of),
                tip="What the checkpoint gained or lost",
            ),
        )
        super().__init__(columns, parent)

    def show_classes(self, found: Comparison | None) -> None:
        """Show the classes of a comparison."""
        self.metric = "accuracy" if found is None or found.figure is None else FIGURES[found.figure]
        self.set_rows(() if found is None else found.classes)

    def csv_text(self) -> str:
        """All classes as CSV with plain numbers."""
        rows = [(r.name, r.count, r.before, r.after) for r in self.rows]
        return csv_of(("class", "count", "as_opened", "after"), rows)


def _known(figure: Callable[[ByClass], float | None]) -> Callable[[ByClass], float]:
    """A key that puts what is not known at the end."""

    def key(row: ByClass) -> float:
        value = figure(row)
        return -math.inf if value is None else value

    return key
