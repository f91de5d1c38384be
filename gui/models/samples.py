"""Samples of a comparison as a Qt list model: thumbnail, true class, both answers.

Owns what is said of a sample. It knows nothing of widgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, Qt
from PySide6.QtGui import QImage

from engine.comparison import Change
from engine.telling import units
from engine.telling.changes import CHANGES
from gui.compared import Compared
from gui.models.rows import Index

SAMPLE_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """A sample in words."""

    name: str
    label: str
    before: str
    after: str
    change: Change | None

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        what = f", {CHANGES[self.change]}" if self.change is not None else ""
        return f"{self.name}, true {self.label}: {self.before} \u2192 {self.after}{what}"


class SamplesModel(QAbstractListModel):
    """One row a sample."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._compared: Compared | None = None
        self._names: tuple[str, ...] = ()
        self.samples: tuple[int, ...] = ()

    def show_samples(self, compared: Compared | None, samples: tuple[int, ...]) -> None:
        """Show these samples of a comparison."""
        self.beginResetModel()
        self._compared, self.samples = compared, samples
        classes = () if compared is None else compared.comparison.classes
        self._names = tuple(one.name for one in classes)
        self.endResetModel()

    def facts(self, row: int) -> SampleFacts | None:
        """What is said of the sample in a row."""
        compared = self._compared
        told = None if compared is None else compared.comparison.answers
        if compared is None or told is None:
            return None
        sample, names = self.samples[row], self._names

        def answer(found: int, sure: float | None) -> str:
            return "no number" if found < 0 else f"{names[found]} ({units.percent(sure, 0)})"

        label = told.label[sample]
        return SampleFacts(
            name=compared.name(sample),
            label=names[label] if 0 <= label < len(names) else str(label),
            before=answer(told.before[sample], told.confidence_before[sample]),
            after=answer(told.after[sample], told.confidence_after[sample]),
            change=told.change(sample),
        )

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Qt: number of samples."""
        return 0 if parent.isValid() else len(self.samples)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt: a sample."""
        if not index.isValid():
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.ToolTipRole:
                facts = self.facts(index.row())
                return None if facts is None else facts.sentence
            case Qt.ItemDataRole.DecorationRole:
                return self._thumbnail(index.row())
            case _ if role == SAMPLE_ROLE:
                return self.facts(index.row())
        return None

    def _thumbnail(self, row: int) -> QImage | None:
        return None if self._compared is None else self._compared.thumbnail(self.samples[row])
