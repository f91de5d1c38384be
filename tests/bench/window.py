"""How quick the window is: start to first paint, slots of its thread in a search, memory, opening.

``python -m tests.bench.window [--cells paint replay live open] [--runs 5]`` needs no screen. First
paint is the wall time from before the process was spawned to after the first paint; a slot's time
is the CPU time of the window's thread in one turn of the event loop, so that waiting for a core is
left out; slots in which nothing was done are not counted for the 99th percentile. One search is of
200 trials, replayed as fast as it goes by ``tests.bench.replay``; the live one is the real engine
on the built-in digits, at a lower priority as always, with the window on the search stage. The
model that is dropped is EfficientNetB3 with random weights, of about 50 MB. Finished cells are
appended to ``results/window.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from engine import events as ev
from engine import jsonio
from engine.job import Budget
from engine.runs import JOURNAL, RunFolder
from gui.engine_thread import Search
from gui.main_window import MainWindow
from tests.bench.environment import describe
from tests.gui import story

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results" / "window.jsonl"
CELLS = ("paint", "replay", "live", "open")
TRIALS = 200
SETTLED_S = 1.0
"""How long a window is up before a model is dropped on it."""

IDLE_S = 0.0005
"""A slot of less than this has done nothing."""

FIRST_PAINT = """
import sys, time
from PySide6.QtWidgets import QApplication
app = QApplication([])
from gui.main_window import MainWindow
window = MainWindow()
window.painted.connect(lambda: (print(time.monotonic(), time.process_time()), app.exit()))
window.show()
app.exec()
window.close()
"""


def first_paint(place: Path, runs: int) -> dict[str, Any]:
    """Wall and CPU seconds from before the spawn to after the first paint; one run warms up."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(place)}
    walls, cpus = [], []
    for index in range(runs + 1):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", FIRST_PAINT],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=place,
        )
        painted, cpu = (float(part) for part in done.stdout.split())
        if index:
            walls.append(painted - began)
            cpus.append(cpu)
    return {
        "wall_s": {"median": statistics.median(walls), "all": walls},
        "cpu_s": {"median": statistics.median(cpus), "all": cpus},
    }


def long_search() -> list[ev.Event]:
    """A made-up search of many trials."""
    events = story.beginning()
    for number in range(1, TRIALS + 1):
        kind = "probe" if number % 4 else "fine_tune"
        keep = 0.1 + 0.8 * ((number * 37) % 100) / 100
        value = 0.9 + 0.03 * ((number * 13) % 100) / 100
        code = "probe_only" if kind == "probe" else "accepted" if value > 0.922 else "below_floor"
        events += story.trial(
            number, kind, keep, 0.0, value, code, start="bracket", best=code == "accepted"
        )
    return [*events, ev.RunEnded(outcome="met", seconds=1.0)]


def shown(app: QApplication) -> MainWindow:
    """A window with its plots."""
    window = MainWindow()
    window.show()
    while window.search.cloud is None:
        app.processEvents()
        time.sleep(0.005)
    return window


def slots_while(app: QApplication, window: MainWindow, limit_s: float) -> dict[str, Any]:
    """Slots of the window's thread until its search has ended, and the memory of its process."""
    slots: list[float] = []
    began, most = time.monotonic(), 0
    own = psutil.Process()
    while window.session.searching:
        before = time.thread_time()
        app.processEvents()
        slots.append(time.thread_time() - before)
        time.sleep(0.002)
        if len(slots) % 500 == 0:
            most = max(most, own.memory_info().rss)
        if time.monotonic() - began > limit_s:
            window.session.stop()
    busy = sorted(s for s in slots if s > IDLE_S) or [0.0]
    return {
        "seconds": time.monotonic() - began,
        "trials": len(window.session.state.trials),
        "status": window.session.state.status,
        "longest_slot_cpu_ms": busy[-1] * 1000,
        "p99_slot_cpu_ms": busy[int(0.99 * (len(busy) - 1))] * 1000,
        "slots": len(busy),
        "window_memory_bytes": max(most, own.memory_info().rss),
    }


def replayed_search(app: QApplication, place: Path) -> dict[str, Any]:
    """A search of 200 trials comes in."""
    folder = RunFolder.create(place / "run", story.job())
    journal = place / JOURNAL
    lines = [ev.dump_event(e) for e in long_search()]
    journal.write_bytes(b"\n".join(lines) + b"\n")
    os.environ["SECATEUR_REPLAY"] = str(journal)
    os.environ["SECATEUR_REPLAY_RATE"] = "2000"
    window = shown(app)
    window.session.take_model(story.facts())
    window.session.begin(Search(run=folder.path, job=None, module="tests.bench.replay"))
    figures = slots_while(app, window, limit_s=600.0)
    window.close()
    return {"events": len(lines), **figures}


def live_search(app: QApplication, place: Path) -> dict[str, Any]:
    """The real engine searches on the digits; stopped after a while where the machine is slow."""
    window = shown(app)
    window.session.runs_base = place / "runs"
    window.opener.sample()
    while not window.session.wishes.ready:
        app.processEvents()
        time.sleep(0.005)
    options = window.session.wishes.options
    window.session.set_options(replace(options, budget=Budget(max_trials=3)))
    window.session.start()
    figures = slots_while(app, window, limit_s=900.0)
    window.close()
    return figures


def make_model(place: Path) -> Path:
    """A model of about 50 MB, written by a process of its own."""
    path = place / "efficientnet-b3.keras"
    code = f"import keras; keras.applications.EfficientNetB3(weights=None).save({str(path)!r})"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return path


def opening(app: QApplication, place: Path, model: Path | None, runs: int) -> dict[str, Any]:
    """Wall and CPU seconds (the reading child's too) from a drop to the layer table.

    The window is up for a second before, as it is when a person drops a file. The first drop is
    told apart: the system may have to read the file from the disk.
    """
    model = make_model(place) if model is None else model
    seconds, cpus, layers = [], [], 0
    for _ in range(runs + 1):
        window = shown(app)
        up = time.monotonic()
        while time.monotonic() - up < SETTLED_S:
            app.processEvents()
            time.sleep(0.005)
        began, cpu = time.monotonic(), sum(os.times()[:4])
        window.opener.path(model)
        while window.layers.model.rowCount() == 0:
            app.processEvents()
            time.sleep(0.002)
        seconds.append(time.monotonic() - began)
        cpus.append(sum(os.times()[:4]) - cpu)
        layers = window.layers.model.rowCount()
        window.close()
    return {
        "file_bytes": model.stat().st_size,
        "layers": layers,
        "wall_s": {"first": seconds[0], "median": statistics.median(seconds[1:])},
        "cpu_s": {"first": cpus[0], "median": statistics.median(cpus[1:])},
    }


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    parser.add_argument("--model", type=Path, help="another model to open")
    parser.add_argument("--runs", type=int, default=5, help="of the first paint and of opening")
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        QSettings.setPath(
            QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(place / "settings")
        )
        app = QApplication(sys.argv[:1])
        model = None if arguments.model is None else arguments.model.absolute()
        measure: dict[str, Callable[[], dict[str, Any]]] = {
            "paint": lambda: first_paint(place, arguments.runs),
            "replay": lambda: replayed_search(app, place),
            "live": lambda: live_search(app, place),
            "open": lambda: opening(app, place, model, arguments.runs),
        }
        for cell in arguments.cells:
            figures = {
                "bench": "window",
                "cell": cell,
                "load_average": os.getloadavg()[0],
                **measure[cell](),
                "environment": jsonio.to_plain(describe()),
            }
            line = json.dumps(figures)
            print(line, flush=True)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
