"""Resumable cells of a bench: named, listed, run each in a process of its own, a JSON line each.

Owns the command line and the file of results, and how a cell that is a search becomes a line. What
else a cell is and measures belongs to the bench.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from engine import events as ev
from engine import jsonio
from engine.control import EngineControl
from engine.job import Job
from engine.report.result import result_of
from engine.runs import RunFolder
from tests.bench.environment import describe

SHARED = Path(__file__).parents[3] / "shared"


class Named(Protocol):
    """What every cell has."""

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCell:
    """One search of a bench: what stands in its tables about it."""

    table: str
    model: str
    arm: str
    seed: int = 0
    tolerance: float = 0.01
    epochs: int | None = None
    fine_tunes: int | None = None
    controls: bool = False

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        return f"{self.table}/{self.model}/{self.arm}/t{self.tolerance:g}/s{self.seed}"


def searched(
    cell: SearchCell, job: Callable[[Path], Job], *, goals: Sequence[float] = ()
) -> dict[str, Any]:
    """One search in this process, gone on with where an earlier process was ended; its figures.

    Parameters
    ----------
    job
        What to search for; it may put files into the folder that it is given.
    goals
        Tolerances of goals that one run is given, one after another; the first is the job's and
        the last the cell's. The run is kept then, for a cell that gives it one more. Without them
        the run has the job's only.

    Returns
    -------
    dict
        ``seconds`` and ``cpu_seconds`` are of the last of its ``sessions``, those in ``cost`` of
        all trials; those from ``first_trial`` on are of the last goal.
    """
    place = Path(tempfile.gettempdir()) / "secateur-bench" / "-".join(_words(cell, goals))
    began, cpu_began = time.monotonic(), time.process_time()
    first = replace(cell, tolerance=goals[0]) if goals else cell
    said, asked = place / "cell.json", json.dumps(asdict(first))
    same = said.exists() and said.read_text() == asked
    if not same or RunFolder.open(place / "run").job().goal.tolerance > cell.tolerance:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        RunFolder.create(place / "run", job(place)).close()
        said.write_text(asked)
    for tolerance in goals or (cell.tolerance,):
        _go_on(RunFolder.open(place / "run"), tolerance, cell.fine_tunes)
    folder = RunFolder.open(place / "run")
    sessions = sum(isinstance(event, ev.RunStarted) for event in folder.events())
    state = folder.state()
    result = result_of(state)
    if not goals:
        shutil.rmtree(place)
    return {
        "cell": cell.name,
        **asdict(cell),
        "sessions": sessions,
        "first_trial": 1 if state.goal_set is None else state.goal_set.first_trial,
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - cpu_began,
        "load": os.getloadavg()[0],
        **{k: result[k] for k in ("metric", "status", "confirmed", "samples_needed", "drop",
                                  "baseline", "final", "controls", "cost")},
        "trials": [
            {k: t[k] for k in ("kind", "step", "keep", "sparsity", "value", "params", "nonzero",
                               "macs", "epochs", "seconds", "accepted")}
            for t in result["trials"]
        ],
        "environment": jsonio.to_plain(describe()),
    }  # fmt: skip


def _words(cell: SearchCell, goals: Sequence[float]) -> list[str]:
    """What the folder of a cell is called; one run for all cells that give it goals."""
    words = cell.name.split("/")
    return words if not goals else [w for w in words if w != f"t{cell.tolerance:g}"]


def _go_on(folder: RunFolder, tolerance: float, fine_tunes: int | None) -> None:
    """Search to the end under a tolerance that is the run's, or its next."""
    from engine.search.session import run_search

    reached = folder.job().goal.tolerance
    ended = folder.state().status in ("met", "not_met")
    if tolerance < reached:
        return
    if tolerance > reached:
        folder.set_goal(tolerance=tolerance, max_trials=fine_tunes)
    elif ended and _judged_goal(folder) == tolerance:
        return
    folder.tidy()
    outcome = run_search(folder, folder.append, EngineControl(folder.append))
    folder.append(jsonio.from_plain({"outcome": outcome}, ev.RunEnded))
    folder.close()


def _judged_goal(folder: RunFolder) -> float | None:
    """The tolerance under which a run ended last."""
    job = folder.state().job
    return None if job is None else job.goal.tolerance


C = TypeVar("C", bound=Named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench(Generic[C]):
    """A bench of cells.

    Parameters
    ----------
    module
        The module to run a cell with, such as ``tests.bench.methods``.
    run
        One cell in this process, with the folder of shared files; its figures, ``cell`` among them.
    needs
        The shared files without which a cell is skipped.
    """

    module: str
    results: Path
    cells: Sequence[C]
    run: Callable[[C, Path], dict[str, Any]]
    needs: Callable[[C, Path], Sequence[Path]]
    summary: Callable[[Sequence[dict[str, Any]]], None]

    def lines(self) -> list[dict[str, Any]]:
        """What is there, the last line of each cell."""
        if not self.results.exists():
            return []
        lines = [json.loads(line) for line in self.results.read_text().splitlines()]
        return list({line["cell"]: line for line in lines}.values())

    def main(self, description: str | None) -> None:
        """Run the cells that are not done, each in a process of its own."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("cells", nargs="*", help="names, or parts of names (see --list)")
        parser.add_argument("--shared", type=Path, default=SHARED, help="folder of models/, data/")
        parser.add_argument("--again", action="store_true", help="run cells that are done, too")
        parser.add_argument("--list", action="store_true", help="name the cells and stop")
        parser.add_argument("--summary", action="store_true", help="print tables of the results")
        parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
        options = parser.parse_args()
        if options.summary:
            self.summary(self.lines())
            return
        done = set() if options.again else {line["cell"] for line in self.lines()}
        names = {cell.name for cell in self.cells}
        for cell in self.cells:
            wanted = not options.cells or any(
                part == cell.name if part in names else part in cell.name for part in options.cells
            )
            if options.list:
                sys.stdout.write(f"{cell.name}{'  done' if cell.name in done else ''}\n")
            elif options.here and cell.name in options.cells:
                sys.stdout.write(json.dumps(self.run(cell, options.shared)) + "\n")
            elif wanted and not options.here and cell.name not in done:
                self._run_apart(cell, options.shared)

    def _run_apart(self, cell: C, shared: Path) -> None:
        """One cell in its own process; its line goes to the results."""
        if not all(path.exists() for path in self.needs(cell, shared)):
            sys.stderr.write(f"{cell.name}: what it needs is not here, skipped\n")
            return
        command = [sys.executable, "-m", self.module, "--here", "--shared", str(shared)]
        answer = subprocess.run(
            [*command, cell.name], stdout=subprocess.PIPE, check=False, text=True
        )
        if answer.returncode != 0:
            sys.stderr.write(f"{cell.name}: failed with {answer.returncode}\n")
            return
        line = answer.stdout.splitlines()[-1]
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        self.results.parent.mkdir(exist_ok=True)
        with self.results.open("a") as file:
            file.write(line + "\n")


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as columns; the first one is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        sys.stdout.write("  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)) + "\n")
