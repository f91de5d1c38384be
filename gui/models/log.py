"""The decision log as a Qt list model: one sentence a row, newest last."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from engine import events as ev
from engine.telling import sentences
from engine.telling.record import LogEvent
from gui.icons import pixmap
from gui.theme import colours

Index = QModelIndex | QPersistentModelIndex
ICON = 16
GAP = 2
"""Pixels between rows; the list's own spacing is the same."""

CACHED_SIZES = 4000
TRIAL_ROLE = Qt.ItemDataRole.UserRole
PLAIN = (ev.PhaseStarted, ev.RunStarted)


def mark(event: LogEvent) -> tuple[str, str]:
    """Icon and colour role of a line."""
    match event:
        case ev.TrialDone():
            if not event.judged:
                return "search", "probe"
            if event.accepted:
                return "circle-check", "good"
            return ("circle-x", "bad") if event.why.code != "stopped" else ("square", "muted")
        case ev.TrialStarted():
            return "activity", "accent"
        case ev.Warned() | ev.EngineDied() | ev.TrialsDropped():
            return "triangle-alert", "warn"
        case ev.RunEnded():
            return ("octagon-x", "bad") if event.outcome == "failed" else ("scissors", "accent")
        case ev.BaselineMeasured() | ev.ReportMeasured() | ev.ControlMeasured():
            return "target", "accent"
        case ev.Exported():
            return "package-check", "good"
        case _:
            return "chevron-right", "muted"


class LogDelegate(QStyledItemDelegate):
    """Icons stand beside the first line of a sentence."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._sizes: dict[tuple[str, int, float], QSize] = {}

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Qt: how a line is drawn."""
        super().initStyleOption(option, index)
        align = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        option.decorationAlignment = align
        option.displayAlignment = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Qt: room for the wrapped sentence; kept, since a list asks for all rows at each new one.

        ``option.rect`` is empty here, so the width is the view's own.
        """
        view = option.widget
        width = view.viewport().width() if isinstance(view, QAbstractItemView) else 400
        key = (str(index.data()), width, option.font.pointSizeF())
        size = self._sizes.get(key)
        if size is None:
            if len(self._sizes) > CACHED_SIZES:
                self._sizes.clear()
            margin = 1
            if isinstance(view, QAbstractItemView):
                metric = QStyle.PixelMetric.PM_FocusFrameHMargin
                margin += view.style().pixelMetric(metric, option, view)
            room = QRect(0, 0, max(width - 2 * GAP - ICON - 4 * margin, 40), 10_000)
            text = option.fontMetrics.boundingRect(room, Qt.TextFlag.TextWordWrap, key[0])
            size = self._sizes[key] = QSize(width - 2 * GAP, max(text.height(), ICON) + 2 * GAP)
        return size


class LogModel(QAbstractListModel):
    """Decisions as sentences."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._log: tuple[LogEvent, ...] = ()
        self._texts: list[str] = []
        self._metric: str | None = None

    def set_log(self, log: tuple[LogEvent, ...], metric: str | None) -> None:
        """Show this log; rows that are there already are left alone."""
        if log is self._log and metric == self._metric:
            return
        same = 0
        if metric == self._metric:
            shorter = min(len(log), len(self._log))
            while same < shorter and log[same] is self._log[same]:
                same += 1
        else:
            self._metric = metric
        if same < len(self._log):
            self.beginRemoveRows(QModelIndex(), same, len(self._log) - 1)
            self._log = self._log[:same]
            del self._texts[same:]
            self.endRemoveRows()
        if same < len(log):
            self.beginInsertRows(QModelIndex(), same, len(log) - 1)
            self._log = log
            self._texts += [
                sentences.resumed(event)
                if row and isinstance(event, ev.RunStarted)
                else sentences.sentence(event, metric)
                for row, event in enumerate(log[same:], start=same)
            ]
            self.endInsertRows()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Qt: number of lines."""
        return 0 if parent.isValid() else len(self._log)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt: a line."""
        if not index.isValid() or index.row() >= len(self._log):
            return None
        event = self._log[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.ToolTipRole:
                return self._texts[index.row()]
            case Qt.ItemDataRole.DecorationRole:
                name, tint = mark(event)
                return pixmap(name, str(getattr(colours(), tint)), ICON)
            case Qt.ItemDataRole.ForegroundRole if isinstance(event, PLAIN):
                return QColor(colours().muted)
            case _ if role == TRIAL_ROLE:
                return event.trial if isinstance(event, ev.TrialDone | ev.TrialStarted) else None
        return None

    def row_of_trial(self, trial: int) -> int | None:
        """The row that tells of a trial."""
        for row, event in enumerate(self._log):
            if isinstance(event, ev.TrialDone | ev.TrialStarted) and event.trial == trial:
                return row
        return None
