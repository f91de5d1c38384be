"""The goal as one editable sentence, and the folded options.

Owns how a :class:`engine.job.Goal` is read and changed in words. Percent and points live here; the
goal itself stays in 0..1.
"""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QLabel, QWidget

from engine.job import Goal
from engine.telling import sentences, units
from gui.theme import GRID, set_role
from gui.views.options import OptionsForm
from gui.widgets.basics import Card, FlowLayout, Fold, InlineCombo, label
from gui.wishes import Baseline, Options

METRICS: tuple[str, ...] = (
    "balanced_accuracy", "top5", "macro_f1", "iou", "dice", "mean_iou", "mean_dice",
    "pixel_accuracy", "mae", "rmse",
)  # fmt: skip
"""What can be asked for by name; which of them fit, the engine says."""

MOST_POINTS = 50.0
"""No tolerance of a share is larger; of a metric that is not known yet one may be."""

OPEN = 1e9
"""An end of the range of a metric that is no share."""


class Sentence(QWidget):
    """The goal sentence; ``changed`` carries a new :class:`Goal`."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._goal = Goal()
        self._baseline: Baseline | None = None
        self._scale, self._sign = 100.0, 1.0
        self._filling = False
        flow = FlowLayout(self)
        self.name = label("", "sentence-strong")
        self.objective = _inline_combo("What to make it", "Click to choose another objective")
        for minimise, words in sentences.OBJECTIVES.items():
            self.objective.addItem(words, minimise)
            index = self.objective.count() - 1
            self.objective.setItemData(
                index, sentences.OBJECTIVE_HELP[minimise], Qt.ItemDataRole.ToolTipRole
            )
        self.metric_box = _inline_combo("Metric to keep", "How the model is judged")
        self.metric_box.addItem(units.metric_name(None), None)
        for metric in METRICS:
            self.metric_box.addItem(units.metric_name(metric), metric)
        self.mode = _inline_combo(
            "Kind of limit", "A tolerance below the baseline, or a fixed value"
        )
        self.mode.addItem("within", "tolerance")
        self.mode.addItem("at", "target")
        self.floor = _inline_spin(
            "Lowest acceptable value", "The floor: no model below it is accepted"
        )
        self.tolerance = _inline_spin(
            "Tolerance",
            "How much worse than the baseline the metric may end; a point is 1 % of accuracy",
        )
        self._words: dict[str, QLabel] = {}
        for part in (
            self._word("make", "Make"),
            self.name,
            self._word("as", "as"),
            self.objective,
            self._word("keeping", "as possible, keeping"),
            self.metric_box,
            self._word("at", "at"),
            self.mode,
            self.floor,
            self._word("more", "or more"),
            self._word("now", "", "sentence-muted"),
            self.tolerance,
            self._word("of", "of its baseline"),
            self._word("end", "", "sentence-muted"),
        ):
            flow.addWidget(part)
        self.objective.currentIndexChanged.connect(self._on_edit)
        self.metric_box.currentIndexChanged.connect(self._on_edit)
        self.mode.currentIndexChanged.connect(self._on_mode)
        self.floor.valueChanged.connect(self._on_floor)
        self.tolerance.valueChanged.connect(self._on_edit)

    def _word(self, key: str, text: str, role: str = "sentence") -> QLabel:
        self._words[key] = label(text, role)
        return self._words[key]

    def show_goal(self, name: str, goal: Goal, baseline: Baseline | None) -> None:
        """Show a goal; ``baseline`` None means that it was not measured."""
        self._goal, self._baseline = goal, baseline
        self._filling = True
        self.name.setText(name)
        self.objective.setCurrentIndex(self.objective.findData(goal.minimise))
        own = None if baseline is None else baseline.metric
        self._show_metric(goal.metric, own)
        self._show_unit(goal.metric or own, goal.tolerance)
        given = goal.target is not None
        self.mode.setCurrentIndex(1 if given else 0)
        measured = baseline is not None
        self.tolerance.setValue(goal.tolerance * self._scale)
        target = goal.target if goal.target is not None else (baseline.value if baseline else None)
        if target is not None:
            self.floor.setValue((target - self._sign * goal.tolerance) * self._scale)
        show = {
            "at": measured and not given,
            "more": given or measured,
            "of": not given and not measured,
        }
        for key, visible in show.items():
            self._words[key].setVisible(visible)
        self.mode.setVisible(given or not measured)
        self.floor.setVisible(given or measured)
        self.tolerance.setVisible(not given)
        now = "" if baseline is None else units.metric_value(baseline.value, baseline.metric)
        if measured and not given:
            self._words["now"].setText(f"(now {now}, tolerance")
            self._words["end"].setText(").")
        elif measured:
            self._words["now"].setText("")
            self._words["end"].setText(f"(now {now}).")
        else:
            self._words["now"].setText("")
            self._words["end"].setText("(baseline not measured yet).")
        self._words["now"].setVisible(bool(self._words["now"].text()))
        self.setAccessibleName(self.text())
        self._filling = False
        layout = self.layout()
        if layout is not None:
            layout.invalidate()
        self.updateGeometry()

    def text(self) -> str:
        """The sentence as plain text."""
        parts = []
        layout = self.layout()
        for index in range(0 if layout is None else layout.count()):
            item = layout.itemAt(index) if layout is not None else None
            widget = None if item is None else item.widget()
            if widget is None or widget.isHidden():
                continue
            if isinstance(widget, QLabel | QDoubleSpinBox):
                parts.append(widget.text())
            elif isinstance(widget, QComboBox):
                parts.append(widget.currentText())
        return " ".join(parts).replace(" ).", ").")

    def _show_unit(self, metric: str | None, tolerance: float) -> None:
        """Percent and points for shares; the number itself for errors and a script's metric."""
        share = units.is_share(metric) and tolerance <= MOST_POINTS / 100.0
        self._scale = 100.0 if share else 1.0
        self._sign = -1.0 if units.is_error(metric) else 1.0
        self._words["more"].setText("or less" if units.is_error(metric) else "or more")
        one = abs(tolerance - 0.01) < 1e-9
        points = units.NBSP + ("point" if one else "points")
        for spin, suffix, most in (
            (self.floor, f"{units.NBSP}%", 100.0),
            (self.tolerance, points, MOST_POINTS),
        ):
            spin.setDecimals(1 if share else 4)
            spin.setSingleStep(0.1 if share else 0.01)
            spin.setRange(0.0 if share else -OPEN, most if share else OPEN)
            spin.setSuffix(suffix if share else "")
        self.tolerance.setMinimum(0.0)

    def _show_metric(self, metric: str | None, own: str | None) -> None:
        """Mark the metric; the first choice is the model's own, as it was measured."""
        self.metric_box.setItemText(0, units.metric_name(own))
        index = self.metric_box.findData(metric)
        if index < 0:
            self.metric_box.addItem(units.metric_name(metric), metric)
            index = self.metric_box.count() - 1
        self.metric_box.setCurrentIndex(index)

    def _on_mode(self) -> None:
        if self._filling:
            return
        if self.mode.currentData() == "target":
            allowed = self._sign * self._goal.tolerance
            known = self._baseline.value - allowed if self._baseline else 0.9
            self._emit(replace(self._goal, target=round(known, 4), tolerance=0.0))
        else:
            self._emit(replace(self._goal, target=None, tolerance=0.01))

    def _on_floor(self) -> None:
        if self._filling:
            return
        floor = round(self.floor.value() / self._scale, 6)
        if self._goal.target is not None:
            self._emit(replace(self._goal, target=floor, tolerance=0.0))
        elif self._baseline is not None:
            tolerance = max(round(self._sign * (self._baseline.value - floor), 6), 0.0)
            self._emit(replace(self._goal, tolerance=tolerance))

    def _on_edit(self) -> None:
        if self._filling:
            return
        goal = replace(
            self._goal,
            minimise=self.objective.currentData(),
            metric=self.metric_box.currentData(),
        )
        if goal.target is None:
            goal = replace(goal, tolerance=round(self.tolerance.value() / self._scale, 6))
        self._emit(goal)

    def _emit(self, goal: Goal) -> None:
        if goal != self._goal:
            self.changed.emit(goal)


class GoalCard(Card):
    """Goal sentence and options."""

    options_changed = Signal(object)

    def __init__(self) -> None:
        super().__init__("Goal", gap=GRID + 4)
        self.sentence = Sentence()
        self.body.addWidget(self.sentence)
        self.cost = label("", "muted", wrap=True, select=True)
        self.cost.setAccessibleName("Estimated cost of the search")
        self.body.addWidget(self.cost)
        self.options = OptionsForm()
        self.options.changed.connect(self.options_changed)
        self.fold = Fold("More options", "Fewer options", self.options)
        self.more = self.fold.button
        self.body.addWidget(self.fold)

    def show_goal(
        self,
        name: str,
        goal: Goal,
        options: Options,
        baseline: Baseline | None,
        *,
        editable: bool,
        cost: str = "",
    ) -> None:
        """Show goal and options, and the ``cost`` in words."""
        self.cost.setText(cost)
        self.cost.setVisible(bool(cost))
        self.sentence.show_goal(name, goal, baseline)
        self.options.show_options(options)
        self.sentence.setEnabled(editable)
        self.options.setEnabled(editable)


def _inline_combo(name: str, tip: str) -> QComboBox:
    box = InlineCombo()
    box.setAccessibleName(name)
    box.setToolTip(tip)
    return box


def _inline_spin(name: str, tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    set_role(box, "inline")
    box.setAccessibleName(name)
    box.setToolTip(tip)
    box.setKeyboardTracking(False)
    box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
    box.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return box
