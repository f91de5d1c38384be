"""Faults of disk, memory, clock and data: each has an outcome and a sentence for the person."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import api, cli, commands, confine, troubles
from engine import events as ev
from engine.childproc import call
from engine.diagnostics import diagnostics
from engine.errors import UserError
from engine.job import DataSpec, Job
from engine.runs import JOURNAL, RunFolder
from engine.telling.sentences import problem
from engine.troubles import trouble_of

CHILDREN = "tests.engine.survival_children"
JOB = Job(model="net.keras", data=DataSpec(source="digits"))
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has what is asked for here")


@pytest.fixture(autouse=True)
def _children_find_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", JOB)


def warned(number: int) -> ev.Warned:
    return ev.Warned(code="note", message=f"{number}" * 300)


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Files cannot grow beyond this, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_that_a_full_disk_is_named_and_the_journal_goes_on_after_it(folder: RunFolder) -> None:
    def fill() -> None:
        with largest_file(1000):
            for number in range(9):
                folder.append(warned(number))

    with pytest.raises(OSError, match=r"File too large|No space left") as full:
        fill()
    trouble = trouble_of(full.value, folder.path)
    assert trouble is not None
    assert str(trouble) == (
        f"The disk is full; what was accepted is kept in the run folder: {folder.path}. Make room"
        " on that disk, then 'secateur resume' goes on."
    )
    whole = list(folder.events())
    assert whole == [warned(n) for n in range(len(whole))]
    folder.append(warned(8))
    folder.close()
    assert list(folder.events()) == [*whole, warned(8)]


def test_that_a_file_that_did_not_fit_leaves_the_old_one_and_no_part(folder: RunFolder) -> None:
    folder.save_whole("model.keras", lambda path: _write(path, b"old"))
    with pytest.raises(OSError, match="File too large"), largest_file(1000):
        folder.save_whole("model.keras", lambda path: _write(path, bytes(5000)))
    assert (folder.path / "model.keras").read_bytes() == b"old"
    assert not list(folder.path.glob(".*part*"))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def test_that_whatever_a_library_made_of_it_a_full_disk_is_the_trouble(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trouble_of(RuntimeError("HDF5: can't write data"), folder.path) is None
    usage = shutil.disk_usage(folder.path)._replace(free=1000)
    monkeypatch.setattr(troubles.shutil, "disk_usage", lambda path: usage)
    trouble = trouble_of(RuntimeError("HDF5: can't write data"), folder.path)
    assert trouble is not None
    assert trouble.code == "disk.full"


def test_that_a_folder_that_cannot_be_written_to_is_named(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    trouble = trouble_of(OSError(errno.EROFS, "Read-only file system"), folder.path)
    assert trouble is not None
    assert trouble.message == (
        f"The run folder cannot be written to ([Errno 30] Read-only file system): {folder.path}."
    )


def test_that_a_folder_that_is_gone_is_named(folder: RunFolder) -> None:
    shutil.move(folder.path, folder.path.with_name("elsewhere"))
    trouble = trouble_of(FileNotFoundError(errno.ENOENT, "No such file"), folder.path)
    assert trouble is not None
    assert trouble.message.startswith("The run folder was moved or deleted while the search ran:")


def test_that_memory_that_ran_out_is_named(folder: RunFolder) -> None:
    trouble = trouble_of(MemoryError(), folder.path)
    assert trouble is not None
    assert trouble.message.startswith("The computer's memory is too small for this search;")
    assert problem(trouble.info())[1].startswith("Close other programs")


def test_that_half_written_files_of_a_killed_process_go(folder: RunFolder) -> None:
    parts = [
        "checkpoints/.trial-003.part.keras", "checkpoints/.halfway.part.npz", ".model.part.keras",
        ".job.json.abc.part",
    ]  # fmt: skip
    for name in parts:
        (folder.path / name).write_bytes(b"half")
    left = folder.path / "exports" / ".net.tflite.xyz.part"
    left.mkdir()
    (left / "net.tflite").write_bytes(b"half")
    kept = folder.path / "checkpoints" / "trial-001.keras"
    kept.write_bytes(b"whole")
    folder.tidy()
    assert not [p for p in folder.path.rglob(".*") if p.name != ".lock"]
    assert kept.exists()


def test_that_an_engine_has_a_temporary_folder_that_begins_empty(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = folder.path / confine.SCRATCH / "secateur-abc"
    left.mkdir(parents=True)
    answer = call(f"{CHILDREN}:scratch_of", str(folder.path), timeout_s=60)
    assert answer == {"temporary": str(folder.path / confine.SCRATCH), "files": []}
    confine.remove_scratch(folder.path)
    assert not (folder.path / confine.SCRATCH).exists()


@linux
def test_that_an_engine_has_no_network_where_linux_lets_it(tmp_path: Path) -> None:
    answer = call(f"{CHILDREN}:network_of", str(tmp_path), timeout_s=60)
    if not answer["left"]:
        pytest.skip("this system allows no network namespaces")
    assert answer["error"] == errno.ENETUNREACH
    assert answer["user"] == os.geteuid()
    assert list(tmp_path.iterdir()) == []


def test_that_a_search_with_a_data_script_may_use_the_network(folder: RunFolder) -> None:
    from engine.worker import may_leave_network

    assert may_leave_network(folder)
    folder.set_job(Job(model="net.keras", data=DataSpec(source="/data/fetch.py")))
    assert not may_leave_network(folder)


@linux
def test_that_asking_for_too_much_memory_fails_inside_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(confine.MEMORY_VARIABLE, str(300 << 20))
    assert call(f"{CHILDREN}:memory_of", 600 << 20, timeout_s=60) == "MemoryError"
    assert call(f"{CHILDREN}:memory_of", 10 << 20, timeout_s=60) == "there"


def test_that_the_log_rotates_and_takes_stderr_along(tmp_path: Path) -> None:
    call(f"{CHILDREN}:log_much", str(tmp_path), timeout_s=60)
    parts = sorted(path.name for path in tmp_path.iterdir())
    assert parts == ["log.txt", "log.txt.1", "log.txt.2"]
    assert all(path.stat().st_size <= 3000 for path in tmp_path.iterdir())
    text = (tmp_path / "log.txt").read_text()
    assert "WARNING line 199" in text
    assert "noise of a library 199" in text
    assert "DEBUG" not in text


def test_that_diagnostics_have_no_private_paths(folder: RunFolder) -> None:
    started = ev.RunStarted(run_id="r", job=JOB, time=1.0, device="CPU: X", versions={})
    folder.append(started)
    trouble = trouble_of(MemoryError(), folder.path)
    assert trouble is not None
    folder.append(ev.RunEnded(outcome="failed", error=trouble.info()))
    folder.close()
    (folder.path / "log.txt").write_text(
        f"INFO reading {Path.home()}/secret project/faces.npz\n"
        f"ERROR in {folder.path}/checkpoints/trial-001.keras and /data/clinic/patients.csv\n"
    )
    text = diagnostics(folder.path)
    for private in ("clinic", str(folder.path.parent), str(Path.home()), socket.gethostname()):
        assert private not in text
    for told in ("Secateur 0.1", "tensorflow 2.", "memory.full", "trial-001.keras", "patients.csv"):
        assert told in text


def test_that_the_command_prints_the_diagnostics(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["diagnostics", str(folder.path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["text"].startswith("Secateur 0.1")
    assert "Run: empty" in answer["text"]
    assert cli.run(["diagnostics", str(folder.path / "none")]) == 2


def test_that_a_run_at_work_is_not_resumed_twice(folder: RunFolder) -> None:
    folder.lock()
    with pytest.raises(UserError, match="Another Secateur is working on this run"):
        api.resume(folder.path)
    folder.close()
    assert not (folder.path / JOURNAL).exists()


def test_that_a_run_of_a_newer_secateur_is_refused_by_name(folder: RunFolder) -> None:
    path = folder.path / "job.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    with pytest.raises(UserError, match="A newer Secateur made this run, in form 99"):
        folder.job()


def test_that_a_clock_that_jumps_changes_nothing_of_a_run(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.search.session import Budgeted

    budget = Budgeted(fine_tunes=1, deadline_s=time.monotonic() + 60)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert not budget.over()
    later = ev.RunStarted(run_id="r", job=JOB, time=4e9, device="cpu", versions={})
    earlier = ev.RunStarted(run_id="r", job=JOB, time=1.0, device="cpu", versions={})
    for event in (later, ev.RunEnded(outcome="stopped", seconds=5.0), earlier):
        folder.append(event)
    folder.close()
    assert folder.state().worked_s == 5.0
    assert folder.state().started_at == 4e9


class Held:
    """A supervised process, as Ctrl+C meets it."""

    def __init__(self) -> None:
        self.met: list[str] = []

    def send(self, command: str) -> None:
        self.met.append(command)

    def kill(self) -> None:
        self.met.append("kill")


def test_that_ctrl_c_stops_and_a_second_one_ends(capsys: pytest.CaptureFixture[str]) -> None:
    process = Held()
    with commands._interruptible() as on_start:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)  # nothing to be stopped yet
        on_start(process)
        signal.raise_signal(signal.SIGINT)
    with commands._interruptible() as on_start:
        on_start(process)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert process.met == ["kill", "stop", "kill"]
    assert "Ctrl+C again ends it now" in capsys.readouterr().err


def test_that_the_journal_is_untouched_by_a_look_at_a_run(folder: RunFolder) -> None:
    (folder.path / JOURNAL).write_bytes(b'{"event":"PhaseStarted","phase":"data"}\n{"event":"Tr')
    before = (folder.path / JOURNAL).read_bytes()
    assert [type(e) for e in folder.events()] == [ev.PhaseStarted]
    assert (folder.path / JOURNAL).read_bytes() == before
