"""Kill -9 at random moments, over searches on the built-in digits: what is lost, what is left.

``python -m tests.bench.chaos [CELL ...]``. A cell of ``engine-NN`` kills the engine process,
one of ``window-NN`` a whole window process (off screen), at random moments of their CPU time, so
that a busy computer changes nothing; the run is resumed, killed again, ... until the search ends by
itself. Searches follow each other until the cell has its :data:`KILLS`. Their processes are forks
of one that has imported TensorFlow, see :mod:`tests.bench.warm`; those of ``cold-engine`` and
``cold-window`` are started as users start them, with helper process and export.

``reference`` and ``cold-reference`` are searches that nobody disturbs, with which decisions are
compared; ``memory`` measures a process over 200 candidates. Each finished cell is a line of
``results/chaos.jsonl``; finished ones are skipped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from engine import events as ev
from engine import jsonio
from engine.data.sample import sample_model_path
from engine.job import Budget, DataSpec, Goal, Job
from engine.runs import RunFolder
from engine.supervise import EngineProcess
from tests.bench.environment import describe

RESULTS = Path(__file__).parent / "results" / "chaos.jsonl"
KILLS, COLD_KILLS = 10, 5
ENGINE_CELLS, WINDOW_CELLS = 10, 5
CANDIDATES = 200
MEMORY_S = 1600.0
"""The memory cell stops after this time with the candidates that there are."""

GRACE_S = 10.0
"""How long processes may take to notice that their parent is gone."""

JOB = Job(
    model=str(sample_model_path()),
    data=DataSpec(source="digits", seen="no"),
    goal=Goal(tolerance=0.05),
    budget=Budget(epochs=2, max_trials=3),
)
WARM_JOB = replace(JOB, budget=Budget(epochs=2, max_trials=2), controls=False, export=())
"""Two fine-tunes after their probes, so that a kill costs some seconds of work."""

KEPT = {
    ".lock", "job.json", "journal.jsonl", "result.json", "report.html", "model.keras", "log.txt",
    "preview", "exports", "checkpoints",
}  # fmt: skip


def cells() -> list[str]:
    """All of them, in order."""
    engines = [f"engine-{i:02}" for i in range(ENGINE_CELLS)]
    windows = [f"window-{i:02}" for i in range(WINDOW_CELLS)]
    mixed = [
        name for pair in zip(engines[::2], windows, engines[1::2], strict=True) for name in pair
    ]
    cold = ["cold-reference", "cold-engine", "cold-window"]
    return ["reference", *mixed, *cold, "memory"]


@dataclass(slots=True)
class Tally:
    """What the kills of a cell came to."""

    wanted: int
    kills: int = 0
    searches: int = 0
    misses: int = 0
    lost_epochs: list[int] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    equal: int = 0
    left_processes: int = 0
    left_files: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


class Victim(threading.Thread):
    """Kills a process once it and its children have used so much CPU time."""

    def __init__(self, pid: int, after_cpu_s: float) -> None:
        super().__init__(daemon=True)
        self.family: list[psutil.Process] = []
        self.killed = False
        self._process = psutil.Process(pid)
        self._after_cpu_s = after_cpu_s

    def run(self) -> None:
        """Watch, then kill."""
        try:
            while self._process.is_running():
                self.family = [self._process, *self._process.children(recursive=True)]
                if sum(map(_cpu_s, self.family)) >= self._after_cpu_s:
                    self._process.send_signal(signal.SIGKILL)
                    self.killed = True
                    return
                time.sleep(0.02)
        except psutil.NoSuchProcess:
            return

    def survivors(self) -> int:
        """Processes of the family that are still there after a while."""
        _, alive = psutil.wait_procs([p for p in self.family if p.is_running()], timeout=GRACE_S)
        return sum(p.status() != psutil.STATUS_ZOMBIE for p in alive)


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def engine_of(run: Path, *, cold: bool) -> EngineProcess:
    """An engine on a run folder, started."""
    if cold:
        process = EngineProcess(run)
    else:
        from tests.bench.warm import WarmEngine

        process = WarmEngine(run)
    process.start()
    return process


def search_by_engine(
    run: Path, victim_after_s: float | None, *, cold: bool
) -> tuple[Victim | None, ev.RunEnded]:
    """One engine on a run folder, until it ends or is killed."""
    process = engine_of(run, cold=cold)
    victim = _victim(process.pid, victim_after_s)
    *_, end = process.events()
    assert isinstance(end, ev.RunEnded)
    if victim is not None:
        victim.join()
    return victim, end


def search_by_window(
    run: Path, victim_after_s: float | None, *, cold: bool
) -> tuple[Victim | None, ev.RunEnded]:
    """One window process on a run folder, until its search ends or it is killed."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if cold:
        shown: Any = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.chaos", "--window", str(run)]
        )
    else:
        from tests.bench.warm import Fork, waiting_engine

        shown = Fork(lambda: window(run, waiting_engine(run)))
    victim = _victim(shown.pid, victim_after_s)
    shown.wait()
    if victim is not None:
        victim.join()
    ended = RunFolder(run).state().ended
    return victim, ended or ev.RunEnded(outcome="failed")


def _victim(pid: int | None, after_s: float | None) -> Victim | None:
    if after_s is None or pid is None:
        return None
    victim = Victim(pid, after_s)
    victim.start()
    return victim


def window(run: Path, engine: type[EngineProcess] = EngineProcess) -> None:
    """A window that goes on with a run and closes at its end."""
    from PySide6.QtWidgets import QApplication

    from gui import engine_thread
    from gui.engine_thread import Search
    from gui.main_window import MainWindow

    engine_thread.EngineProcess = engine  # type: ignore[misc]
    engine_thread.ENGINE_NICENESS = 0
    app = QApplication(["secateur"])
    shown = MainWindow()
    shown.show()
    shown.session.run_ended.connect(shown.close)
    shown.session.begin(Search(run=run, job=None))
    app.exec()


def killing_cell(name: str) -> dict[str, Any]:
    """Kill, resume, kill ... until there are so many."""
    cold, by_window = name.startswith("cold"), "window" in name
    search = partial(search_by_window if by_window else search_by_engine, cold=cold)
    rng = random.Random(name)
    wanted = "cold-reference" if cold else "reference"
    reference = next((line for line in results() if line["cell"] == wanted), None)
    if reference is None:
        raise SystemExit(f"run the cell {wanted!r} first")
    whole_s = reference["cpu_s"] + (2.0 if by_window else 0.0)
    tally = Tally(wanted=COLD_KILLS if cold else KILLS)
    while tally.kills < tally.wanted:
        with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
            temporary = Path(scratch) / "tmp"
            temporary.mkdir()
            outer = os.environ.get("TMPDIR", tempfile.gettempdir())
            os.environ["TMPDIR"] = str(temporary)
            tempfile.tempdir = None
            run = RunFolder.create(Path(scratch) / "run", JOB if cold else WARM_JOB).path
            _one_search(run, search, rng, whole_s, tally)
            tally.searches += 1
            tally.equal += decisions(run) == reference["decisions"]
            tally.left_files += leftovers(run) + [p.name for p in temporary.iterdir()]
        tempfile.tempdir = None
        os.environ["TMPDIR"] = outer
    lost = tally.lost_epochs
    return {
        "kills": tally.kills, "searches": tally.searches, "ended_before_the_kill": tally.misses,
        "lost_epochs_max": max(lost), "lost_epochs_sum": sum(lost),
        "searches_with_equal_decisions": tally.equal, "left_processes": tally.left_processes,
        "left_files": tally.left_files, "killed_in": tally.phases,
        "sentence": tally.sentences[0] if tally.sentences else None,
    }  # fmt: skip


def _one_search(run: Path, search: Any, rng: random.Random, whole_s: float, tally: Tally) -> None:
    """One search to its end, through as many kills as its random moments bring."""
    while True:
        wanted = tally.kills < tally.wanted
        before = epochs_of(run)
        victim, end = search(run, rng.uniform(0.0, whole_s) if wanted else None)
        if len(tally.lost_epochs) < tally.kills:
            tally.lost_epochs.append(0)
        again = [epoch for epoch in epochs_of(run)[len(before) :] if epoch in before]
        if tally.lost_epochs and again:
            tally.lost_epochs[-1] += len(again)
        if victim is None or not victim.killed:
            tally.misses += victim is not None
            assert end.outcome == "met", end
            return
        tally.kills += 1
        tally.phases.append(RunFolder(run).state().phase or "start")
        tally.left_processes += victim.survivors()
        if end.error is not None:
            tally.sentences.append(end.error.message.replace(str(run), "RUN"))


def epochs_of(run: Path) -> list[tuple[int, int]]:
    """Trial and number of each epoch that was trained, in order."""
    return [(e.trial, e.epoch) for e in RunFolder(run).events() if isinstance(e, ev.EpochDone)]


def decisions(run: Path) -> list[list[Any]]:
    """What a search decided, trial by trial."""
    result = RunFolder(run).result() or {"trials": []}
    keys = ("id", "kind", "step", "keep", "sparsity", "value", "nonzero", "epochs", "accepted")
    rows = [[trial[key] for key in keys] for trial in result["trials"]]
    return [*rows, [result.get("best_trial"), result["final"]["report"], result["status"]]]


def leftovers(run: Path) -> list[str]:
    """Files of a finished run that do not belong there."""
    kept = {t["checkpoint"] for t in (RunFolder(run).result() or {})["trials"]}
    found = [p.name for p in run.iterdir() if p.name not in KEPT]
    found += [
        p.name for p in (run / "checkpoints").iterdir() if f"checkpoints/{p.name}" not in kept
    ]
    return found + [p.name for p in (run / "exports").iterdir() if p.name.startswith(".")]


def reference_cell(*, cold: bool) -> dict[str, Any]:
    """A search that nobody disturbs, twice: once to measure it, once to see the same again."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        found = []
        for number in range(2):
            run = RunFolder.create(Path(scratch) / str(number), JOB if cold else WARM_JOB).path
            process = engine_of(run, cold=cold)
            assert process.pid is not None
            watched = Victim(process.pid, 1e9)
            watched.start()
            used = 0.0
            for _ in process.events():
                used = max(used, sum(map(_cpu_s, watched.family)))
            watched.join()
            found.append({"cpu_s": used, "decisions": decisions(run), "left": leftovers(run)})
    first, second = found
    return {**first, "same_again": first["decisions"] == second["decisions"]}


def memory_cell() -> dict[str, Any]:
    """Resident memory of the engine over many fine-tuned candidates, by tens."""
    job = replace(
        JOB, strategy="grid", budget=Budget(epochs=1, max_trials=CANDIDATES), controls=False,
        export=(),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        run = RunFolder.create(Path(scratch) / "run", job).path
        process = engine_of(run, cold=False)
        engine = psutil.Process(process.pid)
        resident: list[int] = []
        began = time.monotonic()
        for event in process.events():
            if isinstance(event, ev.TrialDone) and event.trial % 10 == 1:
                resident.append(engine.memory_info().rss >> 20)
            if isinstance(event, ev.TrialDone) and time.monotonic() - began > MEMORY_S:
                process.send("stop")
        trials = len(RunFolder(run).state().trials)
    return {
        "candidates": trials, "resident_mib_by_tens": resident,
        "mib_a_candidate": (resident[-1] - resident[1]) / (10 * (len(resident) - 2)),
    }  # fmt: skip


def results() -> list[dict[str, Any]]:
    """The finished cells, the last line of each."""
    if not RESULTS.exists():
        return []
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    return list({line["cell"]: line for line in lines}.values())


def run_cell(name: str) -> dict[str, Any]:
    """One cell's line."""
    began = time.monotonic()
    others: dict[str, Callable[[], dict[str, Any]]] = {
        "reference": partial(reference_cell, cold=False),
        "cold-reference": partial(reference_cell, cold=True),
        "memory": memory_cell,
    }
    found = others.get(name, partial(killing_cell, name))()
    return {
        "cell": name, **found, "seconds": time.monotonic() - began, "load": os.getloadavg()[0],
        "environment": jsonio.to_plain(describe()),
    }  # fmt: skip


def summary() -> None:
    """The sums over all killing cells."""
    for kind in ("engine", "window"):
        lines = [x for x in results() if kind in x["cell"] and "kills" in x]
        if lines:
            print(
                f"{kind}: {sum(x['kills'] for x in lines)} kills in"
                f" {sum(x['searches'] for x in lines)} searches, lost epochs at most"
                f" {max(x['lost_epochs_max'] for x in lines)}, equal decisions in"
                f" {sum(x['searches_with_equal_decisions'] for x in lines)}, processes left"
                f" {sum(x['left_processes'] for x in lines)}, files left"
                f" {sum(len(x['left_files']) for x in lines)}"
            )


def main() -> None:
    """Run the cells that are not done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", help="names, or parts of names (see --list)")
    parser.add_argument("--again", action="store_true", help="run cells that are done, too")
    parser.add_argument("--list", action="store_true", help="name the cells and stop")
    parser.add_argument("--summary", action="store_true", help="print the sums of the results")
    parser.add_argument("--window", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.window is not None:
        window(options.window)
        return
    if options.summary:
        summary()
        return
    done = set() if options.again else {line["cell"] for line in results()}
    for name in cells():
        wanted = not options.cells or any(part in name for part in options.cells)
        if options.list:
            print(f"{name}{'  done' if name in done else ''}")
        elif wanted and name not in done:
            line = json.dumps(run_cell(name))
            print(line, flush=True)
            RESULTS.parent.mkdir(exist_ok=True)
            with RESULTS.open("a") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
