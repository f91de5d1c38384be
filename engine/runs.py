"""The run folder: job, journal, checkpoints, result. The only reader and writer of its layout.

The journal is appended and flushed to disk, one event a line; a torn last line is ignored. Other
files are written beside their place and moved in whole. A lock keeps two engines out of one run.
It knows nothing of Keras or of Qt.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from engine import events as ev
from engine import jsonio
from engine.effort import NEW_GOAL
from engine.errors import UserError
from engine.job import SCHEMA, Job, Strategy
from engine.runstate import RunState, fold_all

JOB = "job.json"
JOURNAL = "journal.jsonl"
RESULT = "result.json"
REPORT = "report.html"
MODEL = "model.keras"
LOG = "log.txt"
CHECKPOINTS = "checkpoints"
EXPORTS = "exports"
EXPORT_LOG = "exports.jsonl"


def check_tolerance(tolerance: float) -> None:
    """Refuse a tolerance that makes no sense.

    Raises
    ------
    UserError
        Where it is below 0.
    """
    if tolerance < 0.0:
        raise UserError(
            "tolerance.negative",
            f"The tolerance cannot be below 0: {tolerance}.",
            "0.01 is one point of accuracy.",
        )


def default_base() -> Path:
    """Where runs go by default: ``./secateur-runs``."""
    return Path.cwd() / "secateur-runs"


def new_run_path(model_name: str, base: Path | None = None) -> Path:
    """A path not yet taken: ``BASE/DATE-NAME``, with ``-2``, ``-3`` ... where it is."""
    base = default_base() if base is None else base
    stamp = datetime.datetime.now().strftime("%Y-%m-%d")
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(model_name).stem).strip("._") or "model"
    path = base / f"{stamp}-{name}"
    count = 1
    while path.exists():
        count += 1
        path = base / f"{stamp}-{name}-{count}"
    return path


class RunFolder:
    """One run on disk.

    Parameters
    ----------
    path
        The folder; it must exist (see :meth:`create`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._journal: IO[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @classmethod
    def create(cls, path: Path, job: Job) -> RunFolder:
        """Make a new run folder with its job.

        Raises
        ------
        UserError
            Where the folder exists and is not empty, or cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            taken = any(path.iterdir())
        except OSError as error:
            raise UserError(
                "run.unwritable",
                f"The run folder cannot be made ({error.strerror}): {path}.",
                "Choose another place with --out.",
            ) from error
        if taken:
            raise UserError(
                "out.exists",
                f"The run folder is there already and not empty: {path}.",
                "Choose another with --out, or go on with 'secateur resume'.",
            )
        folder = cls(path)
        (folder.path / CHECKPOINTS).mkdir()
        (folder.path / EXPORTS).mkdir()
        jsonio.write_json(folder.path / JOB, job)
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """A run folder that is there.

        Raises
        ------
        UserError
            Where it is none.
        """
        if not (path / JOB).is_file():
            raise UserError(
                "run.not_found",
                f"This is no run folder, it has no {JOB}: {path}.",
                "'secateur runs' lists the runs that are here.",
            )
        return cls(path)

    def job(self) -> Job:
        """The job of this run."""
        try:
            plain = jsonio.loads((self.path / JOB).read_bytes())
            job = jsonio.from_plain(plain, Job)
        except (OSError, ValueError) as error:
            raise UserError(
                "run.damaged",
                f"The run's job cannot be read ({error}): {self.path / JOB}.",
                "Start a new run.",
            ) from error
        if job.schema > SCHEMA:
            raise UserError(
                "run.newer",
                f"A newer Secateur made this run, in form {job.schema}; this one knows forms up to"
                f" {SCHEMA}: {self.path}.",
                "Open it with that version.",
            )
        return job

    def set_job(self, job: Job) -> None:
        """Put another job in the place of this run's."""
        jsonio.write_json(self.path / JOB, job)

    def set_goal(
        self, *, target: float | None = None, tolerance: float | None = None,
        max_trials: int | None = None,
    ) -> None:  # fmt: skip
        """Write a new goal into this finished run's job; what is None stays as it was.

        Parameters
        ----------
        max_trials
            Fine-tunes for the new goal, at most; None: the engine decides.

        Raises
        ------
        UserError
            Where the run has not ended by itself, its strategy cannot go on from known trials, or
            the tolerance is below 0.
        """
        if self.state().status not in ("met", "not_met"):
            raise UserError(
                "goal.unfinished",
                f"A new goal needs a run that has ended; this one has not: {self.path}.",
                "Go on with it first: 'secateur resume' without a goal.",
            )
        job = self.job()
        if job.strategy not in NEW_GOAL:
            raise UserError(
                "goal.strategy",
                f"Only runs of the strategies {' and '.join(NEW_GOAL)} can take a new goal, and"
                f" this one's is {job.strategy}.",
                "Start a new run with 'secateur prune'; this one stays as it is.",
            )
        goal = replace(
            job.goal,
            target=job.goal.target if target is None else target,
            tolerance=job.goal.tolerance if tolerance is None else tolerance,
        )
        check_tolerance(goal.tolerance)
        self.set_job(replace(job, goal=goal, budget=replace(job.budget, max_trials=max_trials)))

    def check_free(self) -> None:
        """Refuse early what :meth:`lock` will refuse.

        Raises
        ------
        UserError
            Where another process works on this run.
        """
        if is_locked(self.path):
            raise _locked(self.path)

    def lock(self) -> None:
        """Claim this run for this process until :meth:`close`.

        Raises
        ------
        UserError
            Where another process works on it.
        """
        file = (self.path / ".lock").open("ab")
        try:
            import fcntl
        except ImportError:  # Windows: no advisory locks of this kind
            self._lock = file
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise _locked(self.path) from error
        except OSError:  # a disk without locks, such as some network ones
            self._lock = file
            return
        self._lock = file

    def append(self, event: ev.Event) -> None:
        """Append an event to the journal and flush it to disk; transient ones are left out."""
        if isinstance(event, ev.TRANSIENT):
            return
        if self._journal is None:
            self._mend_torn_line()
            self._journal = (self.path / JOURNAL).open("ab", buffering=0)
        line = ev.dump_event(event) + b"\n"
        try:
            if self._journal.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._journal.fileno())
        except OSError:
            self._journal.close()  # the line may be torn: the next append mends it
            self._journal = None
            raise

    def events(self) -> Iterator[ev.Event]:
        """The journal's events; a torn or unknown line is passed over."""
        try:
            data = (self.path / JOURNAL).read_bytes()
        except FileNotFoundError:
            return
        for line in data.split(b"\n"):
            if not line:
                continue
            with contextlib.suppress(ValueError):
                event = ev.load_event(line)
                if event is not None:
                    yield event

    def state(self) -> RunState:
        """The run as its journal tells it."""
        return fold_all(self.events())

    def checkpoint_name(self, trial: int) -> str:
        """Path of a trial's checkpoint, relative to the run folder."""
        return f"{CHECKPOINTS}/trial-{trial:03d}.keras"

    def save_whole(self, name: str, write: Callable[[Path], None]) -> None:
        """Let ``write`` make a file under a temporary name, then move it to ``name`` whole."""
        target = self.path / name
        partial = target.with_name(f".{target.stem}.part{target.suffix}")
        try:
            write(partial)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(target)
            jsonio.sync_folder(target.parent)
        finally:
            partial.unlink(missing_ok=True)

    def adopt_model(self, name: str) -> None:
        """Make a checkpoint of this run its ``model.keras``: the best so far."""
        self.save_whole(MODEL, lambda path: _copy(self.path / name, path))

    def result(self) -> dict[str, Any] | None:
        """The content of ``result.json``, None without one."""
        try:
            data = jsonio.loads((self.path / RESULT).read_bytes())
        except FileNotFoundError:
            return None
        return data if isinstance(data, dict) else None

    def write_result(self, result: dict[str, Any]) -> None:
        """Write ``result.json`` whole."""
        jsonio.write_json(self.path / RESULT, result)

    def note_export(self, result: dict[str, Any]) -> None:
        """Append an export made after the run, as ``export --json`` prints it, for the report."""
        with (self.path / EXPORT_LOG).open("ab") as file:
            file.write(jsonio.dumps(result) + b"\n")

    def noted_exports(self) -> tuple[dict[str, Any], ...]:
        """Exports made after the run, in order; a torn line is passed over."""
        try:
            lines = (self.path / EXPORT_LOG).read_bytes().splitlines()
        except FileNotFoundError:
            return ()
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                found.append(jsonio.loads(line))
        return tuple(entry for entry in found if isinstance(entry, dict))

    def close(self) -> None:
        """Let go of journal and lock."""
        for file in (self._journal, self._lock):
            if file is not None:
                file.close()
        self._journal = self._lock = None

    def tidy(self) -> None:
        """Remove files that a killed process left half-written. Call it with the run locked."""
        for folder in (self.path, self.path / CHECKPOINTS, self.path / EXPORTS):
            for pattern in (".*.part", ".*.part.*"):
                for path in folder.glob(pattern):
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)

    def _mend_torn_line(self) -> None:
        path = self.path / JOURNAL
        if path.exists():
            data = path.read_bytes()
            if data and not data.endswith(b"\n"):
                with path.open("ab") as file:
                    file.write(b"\n")


def _locked(path: Path) -> UserError:
    return UserError(
        "run.locked",
        f"Another Secateur is working on this run: {path}.",
        "Wait for it, or stop it first.",
    )


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of the list of runs; ``value`` is on the split that the run's status rests on.

    ``strategy`` is None where the job cannot be read.
    """

    path: str
    name: str
    status: str
    model: str
    started_at: float | None
    metric: str | None
    baseline: float | None
    value: float | None
    params_before: int | None
    nonzero_after: int | None
    strategy: Strategy | None

    @property
    def takes_goal(self) -> bool:
        """Whether :meth:`RunFolder.set_goal` takes a new goal for it."""
        return self.status in ("met", "not_met") and self.strategy in NEW_GOAL


def list_runs(base: Path | None = None) -> tuple[RunSummary, ...]:
    """The runs below a folder, newest first; damaged ones are listed as such."""
    base = default_base() if base is None else base
    if not base.is_dir():
        return ()
    found = [_summary(p) for p in base.iterdir() if (p / JOB).is_file()]
    return tuple(sorted(found, key=lambda s: s.started_at or 0.0, reverse=True))


def _summary(path: Path) -> RunSummary:
    folder = RunFolder(path)
    state = folder.state()
    strategy: Strategy | None = None
    try:
        job = folder.job()
        model, strategy = job.model, job.strategy
    except UserError:
        model, state = "", RunState(status="failed")
    best = state.best_trial
    live = state.status in ("running", "paused")
    return RunSummary(
        path=str(path),
        name=path.name,
        status="interrupted" if live and not is_locked(path) else state.status,
        model=Path(model).name,
        started_at=state.started_at,
        metric=None if state.baseline is None else state.baseline.metric,
        baseline=None if state.baseline is None else state.baseline.value,
        value=None if best is None else best.value,
        params_before=None if state.model is None else state.model.params,
        nonzero_after=None if best is None or best.sizes is None else best.sizes.nonzero,
        strategy=strategy,
    )


def is_locked(path: Path) -> bool:
    """Whether a process works on the run in this folder."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        with (path / ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
