"""Renders each view of the window from a real run, light and dark, at several sizes.

`python -m tests.bench.screens RUN --out FOLDER` needs no screen. The finished and re-opened views
are the run's own journal; the one in mid-search is the journal up to a fine-tune, sent by
`tests.bench.replay`, or with `--live` the real engine going on from there (in a copy), so that the
loss curve is real too. Without RUN it makes one on the built-in digits, which takes minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication, QScrollArea, QWidget

from engine import events as ev
from engine.job import Budget, DataSpec, Goal, Job
from engine.runs import JOB, JOURNAL, RunFolder
from gui.engine_thread import Search
from gui.main_window import MainWindow
from gui.resources import sample_model
from gui.theme import GRID, Choice
from gui.views.compare import CLASSES, SAMPLES
from gui.views.layers import BY_HAND
from gui.views.preferences import PreferencesDialog
from gui.views.shortcuts import ShortcutsDialog

SIZES = {"1280x800": (1280, 800), "1920x1080": (1920, 1080)}
REPLAY = "tests.bench.replay"


class Studio:
    """One window at one size in one look, and its camera; ``@2x`` where pixels are halved."""

    def __init__(self, out: Path, look: Choice, size: str, engine: str) -> None:
        scale = os.environ.get("QT_SCALE_FACTOR", "1")
        self.out, self.look, self.size = out, look, size
        self.ending = size if scale == "1" else f"{size}@{scale}x"
        self.window = MainWindow(engine=engine)
        self.window.choose_look(look)
        self.window.resize(*SIZES[size])
        self.window.confirm = lambda *_: True
        self.window.show()
        self.until(lambda: self.window.search.cloud is not None)

    def until(self, true: Callable[[], bool], seconds: float = 60.0) -> None:
        """Let the window live until something holds."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise TimeoutError("what was waited for did not come")
            self.live(0.02)

    def live(self, seconds: float) -> None:
        """Let the window live for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.005)

    def shoot(self, view: str, of: QWidget | None = None) -> None:
        """One picture, of the window or of another one."""
        self.live(0.4)
        path = self.out / f"{view}-{self.look}-{self.ending}.png"
        (self.window if of is None else of).grab().save(str(path))
        print(path, flush=True)


@contextmanager
def studio(out: Path, look: Choice, size: str, engine: str = REPLAY) -> Iterator[Studio]:
    """A studio that is closed at the end."""
    made = Studio(out, look, size, engine)
    try:
        yield made
    finally:
        made.window.close()
        made.window.deleteLater()
        made.live(0.05)


def at_rest(camera: Studio, run: Path) -> None:
    """Empty, set up, and the finished run."""
    window = camera.window
    camera.shoot("empty")
    for stage in ("search", "layers", "compare", "export", "runs"):
        window.show_stage(stage)
        camera.shoot(f"{stage}-empty")
    window.opener.path(run)
    camera.until(lambda: window.session.run is not None)
    camera.until(lambda: window.session.wishes.model is not None)
    camera.shoot("finished")
    run_verbs(camera, run)
    window.session.close_all()
    job = RunFolder(run).job()
    window.opener.model(Path(job.model))
    window.session.set_data(job.data)
    window.session.set_goal(job.goal)
    camera.until(lambda: window.session.wishes.model is not None)
    camera.shoot("setup")
    window.setup.goal_card.more.click()
    window.setup.data_card.more.fold.button.click()
    scroll = window.setup.findChild(QScrollArea)
    if scroll is not None:
        camera.live(0.2)
        scroll.verticalScrollBar().setValue(scroll.verticalScrollBar().maximum())
    camera.shoot("setup-options")
    window.show_stage("layers")
    camera.shoot("layers-as-opened")
    window.opener.path(run)
    camera.until(lambda: window.session.run is not None)
    window.show_stage("layers")
    camera.shoot("layers")
    cut = max(
        (s for s in window.layers.layers if s.prunable and s.zeros),
        key=lambda s: (s.channels or 0) - (s.channels_kept or 0),
        default=None,
    )
    if cut is not None:
        window.layers.layer_chosen.emit(cut.name)
        camera.until(lambda: window.inspector.weights.kernel.isVisible())
        camera.live(0.2)
        scroll = window.inspector.findChild(QScrollArea)
        if scroll is not None:
            scroll.ensureWidgetVisible(window.inspector.weights.picture, 0, GRID)
        camera.shoot("weights")
        window.inspector.closed.emit()
    by_hand(camera)
    compared(camera)
    window.show_stage("export")
    camera.shoot("export")


def by_hand(camera: Studio) -> None:
    """A model that is shrunk by hand."""
    layers = camera.window.layers
    layers.tabs.tabs[BY_HAND].click()
    page = layers.by_hand
    camera.until(lambda: page.currentIndex() == 1)
    page.keep.setValue(50)
    page.zeros.setValue(60)
    page.all_button.click()
    camera.shoot("by-hand")
    page.reset_button.click()
    layers.tabs.tabs[0].click()


def compared(camera: Studio) -> None:
    """Layers, classes and samples of the comparison, which the engine makes where there is none."""
    panel = camera.window.compare
    camera.window.show_stage("compare")
    camera.live(1.0)
    if panel.comparing.comparison is None:
        panel.tabs.tabs[CLASSES].click()
        camera.shoot("compare-not-evaluated")
        panel.measure_button.click()
        camera.until(lambda: panel.comparing.comparison is not None, seconds=600.0)
    for number, view in (
        (0, "compare"),
        (CLASSES, "compare-classes"),
        (SAMPLES, "compare-samples"),
    ):
        panel.tabs.tabs[number].click()
        camera.shoot(view)


def run_verbs(camera: Studio, run: Path) -> None:
    """The list of runs, a second run over the cloud, and the dialogs."""
    window = camera.window
    window.session.runs_base = run.parent
    window.run_verbs.refresh()
    camera.until(lambda: window.runs.model.rowCount() > 0)
    window.show_stage("runs")
    camera.shoot("runs")
    other = next((Path(r.path) for r in window.runs.model.rows if Path(r.path) != run), None)
    if other is not None:
        window.run_verbs.lay_over(other)
        camera.until(lambda: window.search.overlay_button.isVisible())
        camera.shoot("overlay")
        window.run_verbs.lay_over(None)
    for name, kind in (("preferences", PreferencesDialog), ("shortcuts", ShortcutsDialog)):
        window.menus.actions[name].trigger()
        dialog = window.findChild(kind)
        camera.shoot(name, dialog)
        dialog.accept()


def middle_of(run: Path) -> int:
    """Number of journal lines up to within the last but one fine-tune."""
    lines = (run / JOURNAL).read_bytes().splitlines()
    starts = [
        number
        for number, line in enumerate(lines)
        if isinstance(event := ev.load_event(line), ev.TrialStarted) and event.kind == "fine_tune"
    ]
    return starts[max(len(starts) - 2, 0)] + 1


def in_motion(camera: Studio, run: Path, place: Path, *, live: bool) -> None:
    """In the middle of the search, as it was or going on."""
    window, session = camera.window, camera.window.session
    copy = place / run.name
    copy.mkdir(parents=True)
    shutil.copy(run / JOB, copy / JOB)
    lines = (run / JOURNAL).read_bytes().splitlines(keepends=True)
    until = middle_of(run)
    if live:
        (copy / JOURNAL).write_bytes(b"".join(lines[: until - 1]))
        shutil.copytree(run / "checkpoints", copy / "checkpoints")
        (copy / "exports").mkdir()
    else:
        os.environ["SECATEUR_REPLAY"] = str(run / JOURNAL)
        os.environ["SECATEUR_REPLAY_UNTIL"] = str(until)
    job = RunFolder(run).job()
    window.opener.model(Path(job.model))
    session.set_data(job.data)
    session.set_goal(job.goal)
    camera.until(lambda: session.wishes.model is not None)
    engine = "engine.worker" if live else REPLAY
    session.begin(Search(run=copy, job=None, module=engine))

    def well_under_way() -> bool:
        running = session.state.running
        if running is None or running.started.kind != "fine_tune":
            return False
        return not live or (running.steps > 0 and running.step > 0.6 * running.steps)

    camera.until(well_under_way, seconds=3600.0 if live else 60.0)
    camera.shoot("searching")
    best = session.state.best
    if best is not None:
        window.search.select_trial(best)
        window.search.trial_chosen.emit(best)
        camera.shoot("searching-inspector")


def make_run(place: Path) -> Path:
    """A short real run on the built-in digits."""
    job = Job(
        model=str(sample_model()),
        data=DataSpec(source="digits", seen="no"),
        goal=Goal(tolerance=0.02),
        budget=Budget(max_trials=6),
        export=("tflite",),
    )
    from engine.supervise import EngineProcess

    folder = RunFolder.create(place / "digits", job)
    process = EngineProcess(folder.path)
    process.start()
    for _event in process.events():
        pass
    return folder.path


def main() -> None:
    """Render what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="a finished run folder")
    parser.add_argument("--out", type=Path, default=Path("resources/screenshots"))
    parser.add_argument("--looks", nargs="+", default=["light", "dark"])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--scale", type=int, default=1, help="pixels of the screen for each one")
    parser.add_argument("--live", action="store_true", help="let the real engine go on")
    arguments = parser.parse_args()
    os.environ["QT_SCALE_FACTOR"] = str(arguments.scale)
    arguments.out.mkdir(parents=True, exist_ok=True)
    root = Path(__file__).parents[2]
    os.environ["PYTHONPATH"] = str(root)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        QSettings.setPath(
            QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(place / "settings")
        )
        app = QApplication(sys.argv[:1])
        run: Path = arguments.run.absolute() if arguments.run is not None else make_run(place)
        out: Path = arguments.out.absolute()
        os.chdir(place)
        for look in arguments.looks:
            for size in arguments.sizes:
                with studio(out, look, size) as camera:
                    at_rest(camera, run)
                with studio(out, look, size) as camera:
                    in_motion(camera, run, place / f"{look}-{size}", live=arguments.live)
        app.quit()


if __name__ == "__main__":
    main()
