"""The structural diff as a Qt model: a layer a row, before and after.

Owns how an :class:`engine.telling.compare.LayerDiff` becomes cells. It knows nothing of widgets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QColor

from engine.events import LayerState
from engine.telling import units
from engine.telling.compare import LayerDiff
from engine.telling.layers import zero_share
from gui.models.rows import NONE, Column, RowsModel
from gui.theme import colours

ARROW = "\u2192"
WORDS = {"same": "", "changed": "cut", "zeroed": "zeroed", "removed": "gone", "added": "new"}

Figure = Callable[[LayerState], float | None]


def _before_after(
    head: str, figure: Figure, write: Callable[[float | None], str], tip: str
) -> Column[LayerDiff]:
    """A column of a figure before and after; it sorts by the share that is gone."""

    def sides(diff: LayerDiff) -> tuple[float | None, float | None]:
        return (
            None if diff.before is None else figure(diff.before),
            None if diff.after is None else figure(diff.after),
        )

    def text(diff: LayerDiff) -> str:
        before, after = sides(diff)
        if before is None and after is None:
            return NONE
        if before == after or diff.before is None:
            return write(after)
        if diff.after is None:
            return write(before)
        return f"{write(before)} {ARROW} {write(after)}"

    def key(diff: LayerDiff) -> float:
        before, after = sides(diff)
        if not before or after is None:
            return after or 0.0
        return (before - after) / before

    return Column(head=head, text=text, key=key, tip=tip)


COLUMNS: tuple[Column[LayerDiff], ...] = (
    Column(head="Layer", text=lambda d: d.name, key=lambda d: d.name.lower(), number=False),
    Column(
        head="Class",
        text=lambda d: d.layer.class_name,
        key=lambda d: d.layer.class_name.lower(),
        number=False,
    ),
    _before_after(
        "Channels",
        lambda s: s.channels_kept,
        units.count,
        "Channels of the layer's output; sorts by the share that is gone",
    ),
    _before_after(
        "Parameters",
        lambda s: s.params or None,
        units.short_count,
        "Norm statistics included; sorts by the share that is gone",
    ),
    _before_after(
        "MACs",
        lambda s: s.macs or None,
        units.short_count,
        "Multiply-adds for one sample; sorts by the share that is gone",
    ),
    _before_after(
        "Zeros",
        zero_share,
        units.percent,
        "Share of the kernel's weights that are exactly zero",
    ),
    Column(head="Change", text=lambda d: WORDS[d.kind], key=lambda d: WORDS[d.kind], number=False),
)


class DiffModel(RowsModel[LayerDiff]):
    """One row a layer."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent)

    def layer_of(self, row: LayerDiff) -> str:
        """Its name."""
        return row.name

    def colour_of(self, row: LayerDiff) -> Any:
        """Muted where nothing changed."""
        return QColor(colours().muted) if row.kind == "same" else None
