"""The main window: rail, stages, inspector, status bar, banner, and how they hang together.

Owns the wiring between views and :class:`gui.session.Session`, and nothing else. Making one shows
an empty window and starts nothing; plots and recent runs are loaded after the first paint.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QIcon,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from engine.errors import ErrorInfo
from engine.runs import RunSummary
from engine.runstate import RunState
from gui import dialogs
from gui.diagnostics import copy_diagnostics
from gui.memory import Memory
from gui.menus import PICTURES, Menus
from gui.notices import Notices
from gui.opening import Opener
from gui.pictures import Pictures, Subject
from gui.resources import sample_model
from gui.run_verbs import RunVerbs
from gui.session import Session
from gui.settings import Settings
from gui.status_words import StatusWords
from gui.theme import Choice, theme
from gui.views.compare import ComparePanel
from gui.views.export import ExportPanel
from gui.views.inspector import InspectorPanel
from gui.views.layers import LayersPanel
from gui.views.runs import RunsPanel
from gui.views.search import SearchPanel
from gui.views.setup import SetUpPanel
from gui.widgets.rail import Rail
from gui.widgets.status import StatusBar

STAGES = (
    ("setup", "Set up", "sliders-horizontal"),
    ("search", "Search", "chart-scatter"),
    ("layers", "Layers", "layers"),
    ("compare", "Compare", "git-compare"),
    ("export", "Export", "package-check"),
    ("runs", "Runs", "history"),
)


class MainWindow(QMainWindow):
    """Secateur's window.

    Parameters
    ----------
    engine
        Module of the engine process; tests put a scripted one here.

    Attributes
    ----------
    painted
        Emitted once, after the first paint.
    """

    painted = Signal()

    def __init__(self, *, engine: str = "engine.worker") -> None:
        super().__init__()
        self.settings = Settings()
        theme().choose(self.settings.look())
        self.session = Session(self, engine=engine)
        self.session.runs_base = self.settings.runs_folder()
        self.opener = Opener(self, self.session, self.settings)
        self.confirm: Callable[[str, str, str], bool] = partial(dialogs.confirmed, self)
        self.run_verbs = RunVerbs(self.session, self.settings, lambda *words: self.confirm(*words))
        self.memory = Memory(self.session, self.settings)
        self.pictures = Pictures(self, self.session.tasks)
        self._painted = False
        self._status_words = StatusWords(self.session)
        self.setWindowTitle("Secateur")
        self.setWindowIcon(QIcon("icons:secateur.svg"))
        self.setAcceptDrops(True)
        self.resize(1280, 800)
        self.setMinimumSize(1040, 680)
        self.rail = Rail(STAGES)
        self.setup = SetUpPanel(self.session)
        self.search = SearchPanel(self.session)
        self.layers = LayersPanel(self.session)
        self.compare = ComparePanel(self.session)
        self.export = ExportPanel(self.session)
        self.runs = RunsPanel()
        self.inspector = InspectorPanel(self.session.tasks)
        self.notices = Notices(self.session)
        self.banner = self.notices.banner
        self.status = StatusBar()
        self.stages = QStackedWidget()
        self.stages.setObjectName("stage")
        self._lay_out()
        self.menus = Menus(self, self._verbs())
        self._connect()
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self._show_status)
        geometry = self.settings.geometry()
        if geometry is not None:
            self.restoreGeometry(geometry)
        self.search.restore(self.settings)
        self.show_stage("setup")
        self.stages.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.stages.setFocus()
        self._on_verbs_changed()

    def _lay_out(self) -> None:
        for key, _, _ in STAGES:
            self.stages.addWidget(getattr(self, key))
        middle = QVBoxLayout()
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(0)
        middle.addWidget(self.notices)
        middle.addWidget(self.stages, 1)
        central = QWidget()
        row = QHBoxLayout(central)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addLayout(middle, 1)
        row.addWidget(self.inspector)
        self.setCentralWidget(central)
        self.setStatusBar(self.status)

    def _verbs(self) -> dict[str, Callable[[], object]]:
        session = self.session
        stages = {f"stage_{key}": lambda k=key: self.show_stage(k) for key, _, _ in STAGES}
        looks: dict[str, Callable[[], object]] = {
            "look_system": lambda: self.choose_look("system"),
            "look_light": lambda: self.choose_look("light"),
            "look_dark": lambda: self.choose_look("dark"),
        }
        saves = {f"save_{n}": lambda n=n: self.pictures.save(n) for n, _, _ in PICTURES}
        return {
            "open_model": self.opener.choose_model,
            "model_folder": self.opener.choose_model_folder,
            "sample": self.opener.sample,
            "data_file": self.opener.choose_data_file,
            "data_folder": self.opener.choose_data_folder,
            "template": self.opener.write_template,
            "open_run": self.opener.choose_run,
            "close_all": self.session.close_all,
            "quit": self.close,
            "start": session.start,
            "pause": self.search.toggle_pause,
            "stop": session.stop,
            "resume": session.resume_run,
            "new_goal": self._ask_goal,
            "export": lambda: self.show_stage("export"),
            "fit": self.search.fit,
            "copy_csv": self.layers.copy,
            "close_panels": self._close_panels,
            "no_overlay": lambda: self.run_verbs.lay_over(None),
            "preferences": self.show_preferences,
            "shortcuts": lambda: dialogs.show_shortcuts(self, self.menus.actions.values()),
            "diagnostics": lambda: copy_diagnostics(
                session, self.notices.copied, self.notices.failed
            ),
            "about": self.notices.about,
            **stages,
            **looks,
            **saves,
        }

    def _connect(self) -> None:
        session = self.session
        self.rail.chosen.connect(self.show_stage)
        self.opener.opened.connect(self._on_opened)
        self.opener.written.connect(self.notices.script_written)
        self.opener.refused.connect(self.notices.busy)
        session.failed.connect(self.notices.failed)
        session.record_changed.connect(self._show_status)
        session.verbs_changed.connect(self._on_verbs_changed)
        session.wishes_changed.connect(self._on_verbs_changed)
        session.model_read.connect(self._on_model_read)
        session.run_opened.connect(self._on_run_opened)
        session.search_begun.connect(self._on_search_begun)
        session.record_changed.connect(self._show_open_run)
        self._connect_runs()
        welcome = self.setup.welcome
        welcome.open_wanted.connect(self.opener.choose_model)
        welcome.sample_wanted.connect(self.opener.sample)
        welcome.model_wanted.connect(lambda path: self.opener.path(Path(path)))
        welcome.run_wanted.connect(lambda path: self.opener.path(Path(path)))
        self.setup.model_card.open_wanted.connect(self.opener.choose_model)
        self.setup.model_card.layers_wanted.connect(lambda: self.show_stage("layers"))
        self.setup.model_card.layer_chosen.connect(self._on_layer_chosen)
        self.setup.data_card.file_wanted.connect(self.opener.choose_data_file)
        self.setup.data_card.folder_wanted.connect(self.opener.choose_data_folder)
        self.search.set_up_wanted.connect(lambda: self.show_stage("setup"))
        self.search.layers_wanted.connect(lambda: self.show_stage("layers"))
        self.search.export_wanted.connect(self._on_export_wanted)
        self.search.layer_chosen.connect(self._on_layer_chosen)
        self.search.trial_chosen.connect(self._on_trial_chosen)
        self.search.copied.connect(self.notices.copied)
        self.layers.layer_chosen.connect(self._on_layer_chosen)
        self.layers.open_wanted.connect(self.opener.choose_model)
        self.layers.copied.connect(self.notices.copied)
        self.compare.layer_chosen.connect(self._on_layer_chosen)
        self.compare.failed.connect(self.notices.failed)
        self.compare.copied.connect(self.notices.copied)
        self.layers.by_hand.left_changed.connect(self._on_left_changed)
        self.layers.by_hand.failed.connect(self.notices.failed)
        self.layers.by_hand.model_wanted.connect(self.opener.path)
        self.compare.set_up_wanted.connect(lambda: self.show_stage("setup"))
        self.inspector.exclude_wanted.connect(self._on_exclude_wanted)
        self.inspector.floor_wanted.connect(self.session.set_floor)
        self.inspector.compare_wanted.connect(self._on_compare_wanted)
        self.export.failed.connect(self.notices.failed)
        self.export.copied.connect(self.notices.copied)
        self.export.place_wanted.connect(self.choose_export_place)
        self.export.set_up_wanted.connect(lambda: self.show_stage("setup"))
        self.inspector.closed.connect(self._on_inspector_closed)
        self.inspector.export_wanted.connect(self._on_export_wanted)

    def _connect_runs(self) -> None:
        verbs, runs = self.run_verbs, self.runs
        verbs.listed.connect(self._on_runs_listed)
        verbs.overlaid.connect(self._on_overlaid)
        verbs.goal_wanted.connect(self._ask_goal)
        verbs.told.connect(self.notices.done)
        runs.open_wanted.connect(verbs.open)
        runs.resume_wanted.connect(verbs.resume)
        runs.goal_wanted.connect(verbs.new_goal)
        runs.overlay_wanted.connect(verbs.lay_over)
        runs.delete_wanted.connect(verbs.delete)
        runs.refresh_wanted.connect(verbs.refresh)
        runs.set_up_wanted.connect(lambda: self.show_stage("setup"))
        runs.copied.connect(self.notices.copied)
        self.search.overlay_unwanted.connect(lambda: verbs.lay_over(None))
        self.notices.custom_wanted.connect(self.opener.choose_custom)
        self.notices.resume_wanted.connect(verbs.resume)
        self.notices.open_wanted.connect(verbs.open)
        self.memory.run_found.connect(self.notices.run_found)
        self.memory.job_found.connect(self.notices.job_found)
        self.pictures.saved.connect(lambda path: self.notices.done(f"Saved: {path}"))
        self.pictures.copied.connect(self.notices.copied)
        self.pictures.failed.connect(self.notices.failed)

    def choose_export_place(self) -> None:
        """Ask where an export goes."""
        name, _ = QFileDialog.getSaveFileName(self, "Save to", self.export.place.text())
        if name:
            self.export.set_place(Path(name))

    def _on_opened(self) -> None:
        self.banner.hide()
        self.show_stage("setup")

    # stages and looks

    @property
    def stage(self) -> str:
        """Key of the stage in view."""
        return STAGES[self.stages.currentIndex()][0]

    def show_stage(self, key: str) -> None:
        """Bring a stage into view."""
        self.stages.setCurrentIndex([k for k, _, _ in STAGES].index(key))
        self.rail.select(key)

    def choose_look(self, look: Choice) -> None:
        """Light, dark, or as the system."""
        self.settings.set_look(look)
        theme().choose(look)
        self.menus.actions[f"look_{look}"].setChecked(True)

    # following the session

    def _on_model_read(self) -> None:
        model = self.session.wishes.model
        if model is not None and Path(model.path) != sample_model():
            self.settings.add_recent("models", model.path)
        self._load_recent()

    def _on_run_opened(self) -> None:
        self.banner.hide()
        self.inspector.hide()
        self.show_stage("search")

    def _on_search_begun(self) -> None:
        self.banner.hide()
        self.inspector.hide()
        self.export.choose_source(None)
        self.show_stage("search")

    def _on_verbs_changed(self) -> None:
        session, actions = self.session, self.menus.actions
        searching = session.searching
        actions["start"].setEnabled(session.wishes.ready and not searching)
        actions["pause"].setEnabled(searching and not session.stopping)
        actions["pause"].setText("&Resume" if session.state.status == "paused" else "&Pause")
        actions["stop"].setEnabled(searching and not session.stopping)
        actions["resume"].setEnabled(session.can_resume)
        actions["new_goal"].setEnabled(session.can_set_goal)
        actions["close_all"].setEnabled(not searching)
        actions[f"look_{self.settings.look()}"].setChecked(True)
        if searching and not self._clock.isActive():
            self._clock.start()
        elif not searching:
            self._clock.stop()
        name = "" if session.wishes.model is None else session.wishes.model.name
        self.setWindowTitle(f"{name} \u2013 Secateur" if name else "Secateur")
        self.menus.show_recent(self.settings.recent("models"), self.opener.path)
        self._show_status()

    def _show_status(self) -> None:
        self.status.show_fields(**self._status_words.texts())
        self.status.tell_device(self.session.state.device)

    def _on_trial_chosen(self, trial: int) -> None:
        state = self.session.state
        found = state.trial(trial)
        if trial < 0:
            self.inspector.show_baseline(state)
            self.layers.show_trial(trial)
        elif found is not None:
            self.inspector.show_trial(found, state, self.session.run)
            self.layers.show_trial(trial)

    def _on_layer_chosen(self, name: str) -> None:
        found = next((s for s in self.layers.layers if s.name == name), None)
        if found is None:
            return
        model, source = self.session.wishes.model, self.layers.file
        fixed = self.session.searching or self.layers.shrinking
        excluded = None if fixed else self._excluded(name)
        floor = self.session.wishes.options.floors.get(found.group or "", 0.0)
        self.inspector.show_layer(found, model, self.layers.layers, source, excluded, floor)
        for strip in (self.setup.model_card.strip, self.search.strip):
            strip.select(name)
        self.search.measured.select_layer(name)
        self.layers.select_layer(name)

    def _on_left_changed(self) -> None:
        layer = self.layers.strip.selected
        if self.inspector.isVisible() and layer is not None:
            self._on_layer_chosen(layer)

    def _on_inspector_closed(self) -> None:
        self.inspector.hide()
        self.search.select_trial(None)

    def _on_export_wanted(self, source: Path | None = None) -> None:
        self.export.choose_source(source)
        self.show_stage("export")

    def _excluded(self, layer: str) -> bool:
        return layer in self.session.wishes.options.exclude

    def _on_exclude_wanted(self, layer: str) -> None:
        self.session.toggle_excluded(layer)
        self._on_layer_chosen(layer)

    def _on_compare_wanted(self, trial: int) -> None:
        self.compare.choose(trial)
        self.show_stage("compare")

    def _ask_goal(self) -> None:
        self.show_stage("search")
        self.search.end_card.ask_goal()

    def _close_panels(self) -> None:
        self.banner.hide()
        self._on_inspector_closed()

    # after the first paint

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt: paint; the first time, load the rest afterwards."""
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self, self._after_first_paint)

    def _after_first_paint(self) -> None:
        self.painted.emit()
        self._load_recent()
        self.memory.begin()
        self.session.tasks.start(_load_plots, self._on_plots_loaded, self._on_task_failed)

    def _on_plots_loaded(self, *_: object) -> None:
        self.search.make_plots()
        matrix, weights = self.compare.classes.map, self.inspector.weights
        for subject in (
            *self.search.subjects(),
            Subject(name="confusion matrix", widget=matrix, rows=matrix.rows),
            Subject(name="weights", widget=weights, rows=weights.rows),
        ):
            self.pictures.add(subject)
        self.session.tasks.start(_load_readers, lambda *_: None, self._on_task_failed)

    def _load_recent(self) -> None:
        """List recent models and runs."""
        self.run_verbs.refresh()

    def _on_runs_listed(self, runs: tuple[RunSummary, ...], base: Path) -> None:
        self.setup.welcome.show_recent(self.settings.recent("models"), runs)
        self.runs.show_runs(runs, base)
        self._show_open_run()

    def _show_open_run(self) -> None:
        self.runs.show_open(self.session.run, self.run_verbs.overlay)

    def _on_overlaid(self, path: Path | None, state: RunState | None) -> None:
        self.search.show_overlay(path, state)
        self.menus.actions["no_overlay"].setEnabled(path is not None)
        self._show_open_run()
        if path is not None:
            self.show_stage("search")

    def _on_task_failed(self, _task: int, error: ErrorInfo) -> None:
        self.notices.failed(error)

    # Qt's own events

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Qt: files may be dropped anywhere."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Qt: open what was dropped."""
        paths = [Path(u.toLocalFile()) for u in event.mimeData().urls() if u.isLocalFile()]
        event.acceptProposedAction()
        self.opener.drop(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Qt: ask while a search runs, then end it; nothing is left running."""
        asks = self.session.searching and self.settings.flag("ask_close")
        if asks and not self.confirm(
            "Stop the search and close?",
            "The best model so far is kept in the run folder, and the run can be resumed.",
            "Stop and close",
        ):
            event.ignore()
            return
        self.memory.end()
        self.settings.set_geometry(self.saveGeometry())
        self.search.remember(self.settings)
        self.settings.sync()
        self.hide()
        self._clock.stop()
        self.session.close()
        event.accept()

    def show_preferences(self) -> None:
        """Show the preferences; they are not modal."""
        dialog = dialogs.show_preferences(self, self.settings)
        dialog.look_chosen.connect(self.choose_look)
        dialog.changed.connect(self._on_preferences_changed)

    def _on_preferences_changed(self) -> None:
        self.session.runs_base = self.settings.runs_folder()
        self._on_verbs_changed()
        self._load_recent()


def _load_plots() -> None:
    """Import the plotting library and our plots, off the window's thread."""
    importlib.import_module("gui.views.cloud")
    importlib.import_module("gui.views.loss")


def _load_readers() -> None:
    """Import what reads a model, so that the first one that is dropped need not wait for it."""
    importlib.import_module("engine.inspection")
