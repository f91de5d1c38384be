"""A new goal for a run that has ended: what value to keep, and how far below it may fall."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QWidget

from engine.runstate import RunState
from engine.telling import units
from gui.engine_thread import NewGoal
from gui.theme import GRID
from gui.widgets.basics import Wrapping, button, label
from gui.widgets.fields import Whole


class NewGoalRow(QWidget):
    """Target and tolerance in a line that wraps; ``wanted`` carries a :class:`NewGoal`.

    ``shown`` tells whether the line is there.
    """

    wanted = Signal(object)
    shown = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        self.head = label("")
        self.target = _spin("Value to keep")
        self.tolerance = _spin("Tolerance")
        self.tolerance.setMinimum(0.0)
        self.floor = label("", "muted")
        self.fine_tunes = Whole(0, 1000, " fine-tunes", auto="Fine-tunes: automatic")
        self.fine_tunes.setAccessibleName("Most fine-tunes for the new goal")
        self.go = button(
            "Search again",
            self._on_go,
            role="primary",
            tip="Trials and checkpoints of this run are judged again, then the search goes on",
        )
        self.cancel = button("Cancel", self.close_row, role="link")
        sentence = Wrapping(
            self.head,
            self.target,
            label("with a tolerance of"),
            self.tolerance,
            self.floor,
            self.fine_tunes,
        )
        row.addWidget(sentence, 1)
        row.addWidget(self.cancel, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.go, 0, Qt.AlignmentFlag.AlignTop)
        self._scale, self._metric = 100.0, "accuracy"
        self._higher = True
        self._before = (0.0, 0.0)
        for spin in (self.target, self.tolerance):
            spin.valueChanged.connect(self._on_edit)
        self.hide()

    def ask(self, state: RunState) -> None:
        """Show the goal of a run, to be changed."""
        base = state.baseline
        if base is None:
            return
        self._metric, self._higher = base.metric, base.higher_is_better
        share = units.is_share(base.metric)
        self._scale = 100.0 if share else 1.0
        self.head.setText(f"Keep {units.metric_name(base.metric)} at")
        for spin, suffix in ((self.target, "%"), (self.tolerance, "points")):
            spin.setDecimals(1 if share else 4)
            spin.setSingleStep(0.1 if share else 0.01)
            spin.setMaximum(100.0 if share else 1e9)
            spin.setSuffix(units.NBSP + suffix if share else "")
        self.target.setValue(base.target * self._scale)
        self.tolerance.setValue(base.tolerance * self._scale)
        self._before = (self.target.value(), self.tolerance.value())
        self._on_edit()
        self.show()
        self.shown.emit(True)
        self.tolerance.setFocus()
        self.tolerance.selectAll()

    def set_floor(self, floor: float) -> None:
        """Take the tolerance that brings the floor here; a floor beyond the target has none."""
        away = self.target.value() - floor * self._scale
        self.tolerance.setValue(max(away if self._higher else -away, 0.0))

    def goal(self) -> NewGoal:
        """What the fields hold; a target that was left alone is None."""
        same = self.target.value() == self._before[0]
        return NewGoal(
            target=None if same else self.target.value() / self._scale,
            tolerance=round(self.tolerance.value() / self._scale, 9),
            max_trials=self.fine_tunes.number(),
        )

    def _on_edit(self) -> None:
        sign = -1 if self._higher else 1
        floor = (self.target.value() + sign * self.tolerance.value()) / self._scale
        self.floor.setText(f"(floor {units.metric_value(floor, self._metric)})")
        self.go.setEnabled((self.target.value(), self.tolerance.value()) != self._before)

    def close_row(self) -> None:
        """Leave the goal as it is."""
        self.hide()
        self.shown.emit(False)

    def _on_go(self) -> None:
        self.close_row()
        self.wanted.emit(self.goal())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt: Enter searches again."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.go.isEnabled():
            self._on_go()
        else:
            super().keyPressEvent(event)


def _spin(name: str) -> QDoubleSpinBox:
    made = QDoubleSpinBox()
    made.setAccessibleName(name)
    made.setRange(-1e9, 1e9)
    return made
