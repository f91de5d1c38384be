"""The runs stage: every run below the runs folder, and what can be done with one.

Owns table and buttons. What a verb does is :mod:`gui.run_verbs`' business.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget

from engine.runs import RunSummary
from engine.telling import units
from gui.models.rows import sorted_by_value
from gui.models.runs import RunsModel, csv_text
from gui.theme import GRID
from gui.widgets.basics import button, empty_page, label, stage_page
from gui.widgets.tables import fit_columns, row_table

WIDTHS_PX = (200, 150, 150, 100, 80, 80, 130, 84)
TO_GO_ON = ("stopped", "failed", "interrupted")

LONGEST_PLACE = 44
"""Letters of the runs folder beyond which only its end is shown."""


class RunsPanel(QStackedWidget):
    """A table of runs; each signal carries the :class:`~pathlib.Path` of the one selected.

    ``overlay_wanted`` carries None where the overlay is to go.
    """

    open_wanted = Signal(object)
    resume_wanted = Signal(object)
    goal_wanted = Signal(object)
    overlay_wanted = Signal(object)
    delete_wanted = Signal(object)
    refresh_wanted = Signal()
    set_up_wanted = Signal()
    copied = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._overlay: Path | None = None
        self._shown: Path | None = None
        self.addWidget(
            empty_page(
                "No runs yet",
                "Each search is kept here: to open again, to resume, to lay over another.",
                button("Set up a search", self.set_up_wanted.emit, role="primary"),
            )
        )
        page, layout = stage_page()
        self.addWidget(page)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(label("Runs", "heading"))
        self.place = label("", "chip", select=True)
        row.addWidget(self.place)
        row.addStretch(1)
        row.addWidget(
            button("Copy as CSV", self.copy, tip="All runs, plain numbers, as 'secateur runs'")
        )
        row.addWidget(button("Refresh", self.refresh_wanted.emit, tip="Read the folder again"))
        layout.addLayout(row)
        self.model = RunsModel(self)
        self.sorted = sorted_by_value(self.model, self)
        self.table = row_table(self.sorted, "Runs", WIDTHS_PX)
        self.table.doubleClicked.connect(lambda _index: self._tell(self.open_wanted.emit))
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        layout.addWidget(self.table, 1)
        layout.addLayout(self._make_verbs())
        self._show_verbs()

    def _make_verbs(self) -> QHBoxLayout:
        self.open_button = button(
            "Open", lambda: self._tell(self.open_wanted.emit), role="primary", tip="Show this run"
        )
        self.resume_button = button(
            "Resume", lambda: self._tell(self.resume_wanted.emit), tip="Go on where it ended"
        )
        self.goal_button = button(
            "New goal", lambda: self._tell(self.goal_wanted.emit), tip="Search on for another floor"
        )
        self.overlay_button = button(
            "Lay over the cloud",
            self._on_overlay,
            tip="Show its points as triangles beside those of the run that is open",
        )
        self.delete_button = button(
            "Delete",
            lambda: self._tell(self.delete_wanted.emit),
            role="danger",
            tip="Move the run's folder to the trash (Del)",
        )
        self.footer = label("", "small")
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self.footer, 1)
        for made in self._verbs():
            row.addWidget(made)
        return row

    def _verbs(self) -> tuple[QPushButton, ...]:
        return (
            self.delete_button, self.overlay_button, self.goal_button, self.resume_button,
            self.open_button,
        )  # fmt: skip

    # what is on show

    def show_runs(self, runs: tuple[RunSummary, ...], place: Path) -> None:
        """Show these runs, found in a folder; the selected one stays so."""
        before = self.selected()
        whole = str(place)
        short = str(Path("\u2026", *place.parts[-2:]))
        self.place.setText(whole if len(whole) <= LONGEST_PLACE else short)
        self.place.setToolTip(whole)
        self.place.setAccessibleDescription(whole)
        self.model.set_rows(runs)
        self.setCurrentIndex(1 if runs else 0)
        paths = [Path(run.path) for run in runs]
        fit_columns(self.table)
        row = paths.index(before) if before in paths else 0
        if paths:
            self.table.setCurrentIndex(self.sorted.mapFromSource(self.model.index(row, 0)))
        self._show_verbs()

    def show_open(self, run: Path | None, overlay: Path | None) -> None:
        """Tell which run is open in the window and which one lies over it."""
        if (run, overlay) != (self._shown, self._overlay):
            self._shown, self._overlay = run, overlay
            self._show_verbs()

    def selected(self) -> Path | None:
        """Folder of the selected run."""
        run = self._summary()
        return None if run is None else Path(run.path)

    def _summary(self) -> RunSummary | None:
        row = self.sorted.mapToSource(self.table.currentIndex()).row()
        return self.model.rows[row] if 0 <= row < len(self.model.rows) else None

    def _show_verbs(self) -> None:
        run = self._summary()
        for made in self._verbs():
            made.setEnabled(run is not None)
        is_overlay = run is not None and Path(run.path) == self._overlay
        text = "Remove from the cloud" if is_overlay else "Lay over the cloud"
        self.overlay_button.setText(text)
        self.overlay_button.setAccessibleName(text)
        if run is not None:
            self.resume_button.setEnabled(run.status in TO_GO_ON)
            self.goal_button.setEnabled(run.takes_goal)
            other = self._shown is not None and Path(run.path) != self._shown
            self.overlay_button.setEnabled(is_overlay or other)
        self.footer.setText(units.plural(len(self.model.rows), "run"))

    # what the person does

    def copy(self) -> None:
        """Copy all runs as CSV."""
        QGuiApplication.clipboard().setText(csv_text(self.model.rows))
        self.copied.emit(f"{units.plural(len(self.model.rows), 'run')} as CSV")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt: Enter opens the selected run, Delete deletes it."""
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter if self.table.hasFocus():
                self._tell(self.open_wanted.emit)
            case Qt.Key.Key_Delete if self.table.hasFocus():
                self._tell(self.delete_wanted.emit)
            case _:
                super().keyPressEvent(event)

    def _tell(self, emit: Callable[[Path], object]) -> None:
        path = self.selected()
        if path is not None:
            emit(path)

    def _on_overlay(self) -> None:
        path = self.selected()
        self.overlay_wanted.emit(None if path == self._overlay else path)

    def _on_row(self, _current: QModelIndex, _previous: QModelIndex) -> None:
        self._show_verbs()
