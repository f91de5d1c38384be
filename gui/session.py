"""What is open in the window: a model, data, a goal, a run. The one place where that changes.

Owns the wishes (what a person asked for), the tasks that answer them and the search under way. It
shows nothing: views call its verbs and follow its signals. All of it lives in the window's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTemporaryDir, QTimer, Signal

from engine.effort import NEW_GOAL
from engine.errors import ErrorInfo
from engine.events import DataOpened
from engine.job import DataSpec, Goal, Job
from engine.runs import RunFolder, new_run_path
from engine.runstate import RunState
from engine.telling.record import Record, record_of
from gui.commands import JsonCommand, evaluate_command
from gui.consent import code_to_allow
from gui.data_facts import baseline_in, found_in
from gui.engine_thread import EngineThread, NewGoal, Search
from gui.facts import ModelFacts, read_facts
from gui.tasks import Tasks
from gui.wishes import Baseline, Options, Wishes

KILL_AFTER_MS = 5000
"""Kill is offered when a stop was not obeyed within this time."""

MEASURE_TIMEOUT_S = 3600.0
CLOSE_GRACE_MS = 4000
"""How long a closing window lets the engine end by itself before it is killed."""


class Session(QObject):
    """The window's state and its verbs.

    Attributes
    ----------
    wishes_changed
        Model, data, goal or options changed.
    record_changed
        The picture of the run changed.
    verbs_changed
        What can be done now changed: searching, stopping, kill offered, reading, measuring.
    failed
        ``(ErrorInfo, can_resume)``: something went wrong.
    run_ended
        The search under way reached its end.
    consent_wanted
        ``(file, then)``: a Python file must be allowed by hand before ``then`` can go on.
    """

    wishes_changed = Signal()
    record_changed = Signal()
    verbs_changed = Signal()
    failed = Signal(object, bool)
    model_read = Signal()
    run_opened = Signal()
    search_begun = Signal()
    run_ended = Signal()
    consent_wanted = Signal(object, object)

    def __init__(self, parent: QObject | None = None, *, engine: str = "engine.worker") -> None:
        super().__init__(parent)
        self.wishes = Wishes()
        self.record = Record()
        self.baseline: Baseline | None = None
        self.found: DataOpened | None = None
        self._previews: QTemporaryDir | None = None
        self.run: Path | None = None
        self.reading: Path | None = None
        self.refused: Path | None = None
        self.measuring = False
        self.stopping = False
        self.kill_offered = False
        self.runs_base: Path | None = None
        self._engine = engine
        self._thread: EngineThread | None = None
        self.tasks = Tasks(self)
        self._reading_id = 0
        self._measuring_id = 0
        self._kill_timer = QTimer(self)
        self._kill_timer.setSingleShot(True)
        self._kill_timer.setInterval(KILL_AFTER_MS)
        self._kill_timer.timeout.connect(self._on_kill_due)

    @property
    def state(self) -> RunState:
        """The picture of the run."""
        return self.record.state

    @property
    def searching(self) -> bool:
        """Whether a search is under way, its engine up or about to be."""
        return self._thread is not None

    @property
    def thread_of_search(self) -> EngineThread | None:
        """The search under way."""
        return self._thread

    # wishes

    def open_model(
        self,
        path: Path,
        custom: Path | None = None,
        weights: Path | None = None,
        input_shape: tuple[int, ...] | None = None,
    ) -> None:
        """Read a model file; :attr:`model_read` or :attr:`failed` follows."""
        self.reading = path
        self.refused = None
        self._reading_id = self.tasks.start(
            lambda: read_facts(path, custom, weights, input_shape),
            self._on_model_read,
            self._on_model_failed,
        )
        self.verbs_changed.emit()

    def set_input_shape(self, shape: tuple[int, ...] | None) -> None:
        """Say the sizes that the model leaves open; it is read again with them."""
        model = self.wishes.model
        if model is not None and shape != model.input_shape and not self.searching:
            custom, weights = (
                None if p is None else Path(p) for p in (model.custom, model.weights)
            )
            self.open_model(Path(model.path), custom, weights, shape)

    def set_data(self, spec: DataSpec | None) -> None:
        """Choose the data."""
        if spec is not None:
            spec = replace(spec, augment=self.wishes.options.augment)
        if spec != self.wishes.data:
            self._wish(data=spec)
            self._forget_measurements()

    def set_goal(self, goal: Goal) -> None:
        """Set the goal."""
        if goal != self.wishes.goal:
            self._wish(goal=goal)

    def set_options(self, options: Options) -> None:
        """Set the options."""
        if options != self.wishes.options:
            data = self.wishes.data
            if data is not None:
                data = replace(data, augment=options.augment)
            self._wish(options=options, data=data)

    def toggle_excluded(self, layer: str) -> None:
        """Leave a layer's channels alone in the next search, or no longer."""
        before = self.wishes.options.exclude
        after = tuple(n for n in before if n != layer)
        if after == before:
            after = (*before, layer)
        self.set_options(replace(self.wishes.options, exclude=after))

    def set_floor(self, group: str, share: float) -> None:
        """Let the next search keep at least this share of a group's channels; 0: no floor."""
        floors = {**self.wishes.options.floors, group: share}
        if share <= 0.0:
            del floors[group]
        self.set_options(replace(self.wishes.options, floors=floors))

    def measure_baseline(self) -> None:
        """Measure the unpruned model on the search split, without a search."""
        model, data = self.wishes.model, self.wishes.data
        if model is None or data is None or self.measuring or self._asks(self.measure_baseline):
            return
        arguments = evaluate_command(model, data, self.wishes.goal.metric)
        self._previews = QTemporaryDir()
        arguments += ["--preview", self._previews.path()]
        command = JsonCommand(arguments, timeout_s=MEASURE_TIMEOUT_S)
        self.measuring = True
        self._measuring_id = self.tasks.start(
            command.run,
            self._on_baseline_measured,
            self._on_baseline_failed,
            command.kill,
        )
        self.verbs_changed.emit()

    # the run

    def start(self) -> None:
        """Begin a search for what was set up."""
        if self.searching or not self.wishes.ready or self._asks(self.start):
            return
        job = self.wishes.job()
        base = self.runs_base
        path = new_run_path(job.model, base)
        self.record = Record()
        self.begin(Search(run=path, job=job, module=self._engine))

    def _asks(self, then: Callable[[], None]) -> bool:
        """Whether a Python file must be allowed before this goes on; ``then`` goes on with it."""
        code = code_to_allow(self.wishes.job())
        if code is not None:
            self.consent_wanted.emit(code, then)
        return code is not None

    def resume_run(self) -> None:
        """Go on with the run that is open and not at its end."""
        if self.run is not None and not self.searching:
            self.begin(Search(run=self.run, job=None, module=self._engine))

    def set_new_goal(self, goal: NewGoal) -> None:
        """Search again in the open run, which has ended, for another goal."""
        if self.run is not None and self.can_set_goal:
            self.begin(Search(run=self.run, job=None, module=self._engine, goal=goal))

    def open_run(self, path: Path) -> None:
        """Show an earlier run as its journal tells it; its model is read too where it is there."""
        if self.searching:
            return
        self.tasks.start(lambda: _read_run(path), self._on_run_read, self._on_run_failed)

    def close_all(self) -> None:
        """Begin anew: no model, no data, no run."""
        if self.searching:
            return
        self._reading_id = 0
        self.reading = self.run = None
        self.record = Record()
        self._forget_measurements()
        self.wishes = Wishes()
        self.wishes_changed.emit()
        self.record_changed.emit()
        self.verbs_changed.emit()

    def close_run(self, path: Path) -> None:
        """Show a run no longer, where it is the one that is open."""
        if self.run == path and not self.searching:
            self.run, self.record = None, Record()
            self.record_changed.emit()
            self.wishes_changed.emit()
            self.verbs_changed.emit()

    def pause(self) -> None:
        """Hold the search."""
        if self._thread is not None:
            self._thread.pause()

    def go_on(self) -> None:
        """Let a held search go on."""
        if self._thread is not None:
            self._thread.resume()

    def stop(self) -> None:
        """Stop the search and keep the best so far."""
        if self._thread is not None and not self.stopping:
            self.stopping = True
            self._kill_timer.start()
            self._thread.stop()
            self.verbs_changed.emit()

    def kill(self) -> None:
        """End the engine process at once."""
        if self._thread is not None:
            self._thread.kill()

    def close(self) -> None:
        """End the search and wait for every thread; nothing runs on after this."""
        self._kill_timer.stop()
        thread = self._thread
        if thread is not None:
            thread.stop()
            if not thread.wait(CLOSE_GRACE_MS):
                thread.kill()
                thread.wait()
            self._on_engine_finished()
        self.tasks.close()

    # answers

    def _on_model_read(self, task: int, facts: ModelFacts) -> None:
        if task != self._reading_id:
            return
        self.reading = None
        self.take_model(facts)

    def take_model(self, facts: ModelFacts) -> None:
        """Show a model that was read; what was measured of another is forgotten."""
        if self.wishes.model is None or self.wishes.model.path != facts.path:
            self._forget_measurements()
            if not self.searching:
                self.record, self.run = Record(), None
                self.record_changed.emit()
        self._wish(model=facts)
        self.verbs_changed.emit()
        self.model_read.emit()

    def _on_model_failed(self, task: int, error: ErrorInfo) -> None:
        if task == self._reading_id:
            self.refused, self.reading = self.reading, None
            self.verbs_changed.emit()
            self.failed.emit(error, False)

    def _on_baseline_measured(self, task: int, answer: dict[str, Any]) -> None:
        if task != self._measuring_id:
            return
        self.measuring = False
        self.baseline = baseline_in(answer)
        if self.wishes.data is not None:
            self.found = found_in(answer, self.wishes.data.source)
        self.wishes_changed.emit()
        self.verbs_changed.emit()

    def _on_baseline_failed(self, task: int, error: ErrorInfo) -> None:
        if task == self._measuring_id:
            self.measuring = False
            self.verbs_changed.emit()
            self.failed.emit(error, False)

    def _on_run_read(self, _task: int, answer: tuple[Path, Job, Record]) -> None:
        if self.searching:
            return
        path, job, record = answer
        self.run, self.record = path, record
        self._note_baseline()
        self.take_job(job)
        self.record_changed.emit()
        self.verbs_changed.emit()
        self.run_opened.emit()

    def take_job(self, job: Job) -> None:
        """Set up what a job asks for; its model is read where it is there."""
        known = self.wishes.model
        same = known is not None and known.path == job.model
        self._wish(
            data=job.data, goal=job.goal, options=Options.of(job), model=known if same else None
        )
        if not same and Path(job.model).exists():
            self._read_model_of(job)

    def _read_model_of(self, job: Job) -> None:
        run = self.run
        custom, weights = (None if p is None else Path(p) for p in (job.custom, job.weights))

        def on_read(_task: int, facts: ModelFacts) -> None:
            if self.run == run and self.wishes.model is None:
                self._wish(model=facts)
                self.verbs_changed.emit()

        self.tasks.start(
            lambda: read_facts(Path(job.model), custom, weights), on_read, lambda *_: None
        )

    def _on_run_failed(self, _task: int, error: ErrorInfo) -> None:
        self.failed.emit(error, False)

    # the search under way

    def begin(self, search: Search) -> None:
        """Run a search, new or gone on with, until its end."""
        self.run = search.run
        self.stopping = self.kill_offered = False
        thread = EngineThread(search, self)
        thread.changed.connect(self._on_engine_changed)
        thread.finished.connect(self._on_engine_finished)
        self._thread = thread
        thread.start()
        self.record_changed.emit()
        self.verbs_changed.emit()
        self.search_begun.emit()

    def _on_engine_changed(self) -> None:
        if self._thread is None:
            return
        before = self.record.state
        self.record = self._thread.take()
        now = self.record.state
        self._note_baseline()
        self.record_changed.emit()
        if now.data is not before.data or now.baseline is not before.baseline:
            self.wishes_changed.emit()
        if now.status != before.status:
            self.verbs_changed.emit()

    def _on_engine_finished(self) -> None:
        thread = self._thread
        if thread is None:
            return
        self.record = thread.take()
        self._thread = None
        thread.deleteLater()
        self._kill_timer.stop()
        self.stopping = self.kill_offered = False
        self._note_baseline()
        self.record_changed.emit()
        self.wishes_changed.emit()
        self.verbs_changed.emit()
        error = self.record.state.error
        if self.record.state.status == "failed" and error is not None:
            self.failed.emit(error, error.kind != "UserError" and self.can_resume)
        self.run_ended.emit()

    @property
    def can_resume(self) -> bool:
        """Whether the open run can be gone on with."""
        if self.run is None or self.searching:
            return False
        return self.state.status in ("failed", "stopped", "running", "paused")

    @property
    def can_set_goal(self) -> bool:
        """Whether the open run can be searched again for another goal."""
        state = self.state
        if self.run is None or self.searching or state.status not in ("met", "not_met"):
            return False
        return state.job is not None and state.job.strategy in NEW_GOAL

    def _on_kill_due(self) -> None:
        if self._thread is not None:
            self.kill_offered = True
            self.verbs_changed.emit()

    def _note_baseline(self) -> None:
        measured = self.record.state.baseline
        if measured is not None:
            self.baseline = Baseline(
                metric=measured.metric,
                value=measured.value,
                samples=measured.samples,
                interval=measured.interval,
            )

    def data_found(self) -> tuple[DataOpened | None, Path | None]:
        """What was found in the chosen data, by the run or by measuring; its thumbnails' folder."""
        told, job = self.state.data, self.state.job
        if told is not None and (job is None or job.data == self.wishes.data):
            if told.preview is None or self.run is None:
                return told, None
            return told, self.run / told.preview
        folder = None if self._previews is None else Path(self._previews.path())
        return self.found, folder

    def _forget_measurements(self) -> None:
        self.baseline = None
        self.found = None
        self._measuring_id = 0
        self.measuring = False

    def _wish(self, **changes: Any) -> None:
        self.wishes = replace(self.wishes, **changes)
        self.wishes_changed.emit()


def _read_run(path: Path) -> tuple[Path, Job, Record]:
    folder = RunFolder.open(path)
    return folder.path, folder.job(), record_of(folder.events())
