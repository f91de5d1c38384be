"""How quick the window is: start to first paint, slots of its thread in a search, memory, opening.

``python -m tests.bench.window [--json OUT] [--model FILE] [--runs 5]`` needs no screen. First paint
is the wall time from before the process was spawned to after the first paint; a slot's time is the
CPU time of the window's thread in one turn of the event loop, so that waiting for a core is left
out. The search is one of 200 trials, replayed as fast as it goes by ``tests.bench.replay``.
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
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from engine import events as ev
from engine import jsonio
from engine.runs import JOURNAL, RunFolder
from gui.engine_thread import Search
from gui.main_window import MainWindow
from gui.resources import sample_model
from tests.bench.environment import describe
from tests.gui import story

ROOT = Path(__file__).parents[2]
TRIALS = 200
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


def replayed_search(app: QApplication, place: Path) -> dict[str, Any]:
    """Slots of the window's thread while a search of 200 trials comes in."""
    folder = RunFolder.create(place / "run", story.job())
    journal = place / JOURNAL
    lines = [ev.dump_event(e) for e in long_search()]
    journal.write_bytes(b"\n".join(lines) + b"\n")
    os.environ["SECATEUR_REPLAY"] = str(journal)
    os.environ["SECATEUR_REPLAY_RATE"] = "2000"
    os.environ["PYTHONPATH"] = str(ROOT)
    window = MainWindow()
    window.show()
    while window.search.cloud is None:
        app.processEvents()
        time.sleep(0.005)
    window.session.take_model(story.facts())
    window.session.begin(Search(run=folder.path, job=None, module="tests.bench.replay"))
    slots: list[float] = []
    began = time.monotonic()
    while window.session.searching:
        before = time.thread_time()
        app.processEvents()
        slots.append(time.thread_time() - before)
        time.sleep(0.002)
    seconds = time.monotonic() - began
    memory = psutil.Process().memory_info().rss
    trials = len(window.session.state.trials)
    window.close()
    busy = sorted(s for s in slots if s > 0.0005) or [0.0]
    return {
        "trials": trials,
        "events": len(lines),
        "seconds": seconds,
        "longest_slot_cpu_ms": busy[-1] * 1000,
        "p99_slot_cpu_ms": busy[int(0.99 * (len(busy) - 1))] * 1000,
        "window_memory_bytes": memory,
    }


def opening(app: QApplication, model: Path) -> dict[str, Any]:
    """Wall seconds from a drop to the layer table."""
    window = MainWindow()
    window.show()
    while window.search.cloud is None:
        app.processEvents()
        time.sleep(0.005)
    began = time.monotonic()
    window.opener.path(model)
    while window.layers.model.rowCount() == 0:
        app.processEvents()
        time.sleep(0.002)
    seconds = time.monotonic() - began
    layers = window.layers.model.rowCount()
    window.close()
    return {"file_bytes": model.stat().st_size, "layers": layers, "seconds": seconds}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--model", type=Path, default=sample_model(), help="model to open")
    parser.add_argument("--runs", type=int, default=5, help="of the first paint")
    arguments = parser.parse_args()
    model: Path = arguments.model.absolute()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        QSettings.setPath(
            QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(place / "settings")
        )
        app = QApplication(sys.argv[:1])
        figures = {
            "bench": "window",
            "load_average": os.getloadavg()[0],
            "first_paint": first_paint(place, arguments.runs),
            "replayed_search": replayed_search(app, place),
            "opening": opening(app, model),
            "environment": jsonio.to_plain(describe()),
        }
    print(json.dumps(figures, indent=1))
    if arguments.json is not None:
        jsonio.write_json(arguments.json, figures)


if __name__ == "__main__":
    main()
