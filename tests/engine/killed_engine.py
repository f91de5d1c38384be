"""Engines killed at chosen moments: ``-m tests.engine.killed_engine UNDISTURBED RUN MOMENTS``.

TensorFlow is imported once; each engine is a fork of this process that runs the real worker on the
run folder, until the moment that is its own. MOMENTS is JSON: a list of ``[what, count]``, see
:data:`MOMENTS`; a last engine runs to the end. The run UNDISTURBED has one engine. How each ended
is printed, a JSON list. The helper process is left out (every start of one costs seconds), so sizes
are estimated.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import sklearn.datasets  # noqa: F401 - once, before all forks, as the next two are

import engine.report.page
import engine.search.session  # noqa: F401
from engine import events as ev
from engine import worker
from engine.childproc import PARENT, ChildDied, ProcessOutcome
from engine.export.server import HelperProcess
from engine.runs import RunFolder


class Countdown:
    """Kills this process when it was passed so many times."""

    def __init__(self, count: int) -> None:
        self._left = count

    def due(self) -> bool:
        """One more pass; whether it is the last."""
        self._left -= 1
        return self._left == 0


def die() -> None:
    """As ``kill -9`` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_batch(count: Countdown) -> None:
    """Between two batches."""
    tell = worker.Emitter.__call__

    def told(self: worker.Emitter, event: ev.Event) -> None:
        tell(self, event)
        if isinstance(event, ev.BatchDone) and count.due():
            die()

    worker.Emitter.__call__ = told  # type: ignore[method-assign]


def in_a_line(count: Countdown) -> None:
    """With half a line of the journal written."""
    append = RunFolder.append

    def appended(self: RunFolder, event: ev.Event) -> None:
        if not isinstance(event, ev.TRANSIENT) and count.due():
            append(self, ev.PhaseStarted(phase="channels"))  # opens and mends
            line = ev.dump_event(event)
            with (self.path / "journal.jsonl").open("ab") as journal:
                journal.write(line[: len(line) // 2])
            die()
        append(self, event)

    RunFolder.append = appended  # type: ignore[method-assign]


def in_a_file(count: Countdown) -> None:
    """With half a checkpoint, halfway state or model written."""
    save = RunFolder.save_whole

    def saved(self: RunFolder, name: str, write: Callable[[Path], None]) -> None:
        def half(path: Path) -> None:
            write(path)
            if count.due():
                os.truncate(path, path.stat().st_size // 2)
                die()

        save(self, name, half)

    RunFolder.save_whole = saved  # type: ignore[method-assign]


def after_a_file(count: Countdown) -> None:
    """With a file in its place that no line of the journal tells of."""
    save = RunFolder.save_whole

    def saved(self: RunFolder, name: str, write: Callable[[Path], None]) -> None:
        save(self, name, write)
        if count.due():
            die()

    RunFolder.save_whole = saved  # type: ignore[method-assign]


def after_an_event(kind: type, count: Countdown) -> None:
    """With an event of this kind in the journal."""
    append = RunFolder.append

    def appended(self: RunFolder, event: ev.Event) -> None:
        append(self, event)
        if isinstance(event, kind) and count.due():
            die()

    RunFolder.append = appended  # type: ignore[method-assign]


MOMENTS: dict[str, Callable[[Countdown], None]] = {
    "batch": in_a_batch,
    "line": in_a_line,
    "half": in_a_file,
    "file": after_a_file,
    "trial": partial(after_an_event, ev.TrialDone),
    "report": partial(after_an_event, ev.ReportMeasured),
}


def without_helper(self: HelperProcess, target: str, payload: object, *, timeout_s: float) -> Any:
    """What a helper that cannot be started answers."""
    raise ChildDied(target, ProcessOutcome(exit_code=1))


def one_engine(run: Path, moment: tuple[str, int] | None) -> int:
    """Fork an engine; its wait status."""
    child = os.fork()
    if child == 0:
        HelperProcess.call = without_helper  # type: ignore[method-assign]
        if moment is not None:
            MOMENTS[moment[0]](Countdown(moment[1]))
        sys.argv[1:] = [str(run)]
        worker.main()
    return os.waitpid(child, 0)[1]


def main() -> None:
    """Kill engines one after the other, then let one live."""
    undisturbed, run, moments = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    os.environ[PARENT] = str(os.getpid())
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    one_engine(undisturbed, None)
    answers.write(json.dumps([one_engine(run, moment) for moment in [*moments, None]]))


if __name__ == "__main__":
    main()
