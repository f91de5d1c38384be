"""The small world of the engine process: its own temporary folder, a memory limit, no network.

Owns what the operating system is asked for, and nothing of the search. What a system does not have
is left out; :func:`leave_network` says whether it worked. Light: called before any large import.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from engine.machine import meminfo

SCRATCH = ".scratch"
"""The temporary folder of a run's engine, inside the run folder."""

MEMORY_VARIABLE = "SECATEUR_MEMORY_BYTES"
"""Environment variable that sets the engine's memory limit, for a computer that is shared."""

MEMORY_SHARE = 0.95
"""Share of memory and swap that the engine may ask for, if nothing else is said."""

LEAST_BYTES = 3 << 30
"""TensorFlow asks for some GiB of address space before it does anything."""

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_OOM_SCORE = "500"


def own_scratch(run: Path) -> None:
    """Make an empty temporary folder in the run's for this process and those it starts.

    Whatever an engine that was killed left there goes. Call it with the run locked.
    """
    scratch = run / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)


def remove_scratch(run: Path) -> None:
    """Remove the temporary folder of an engine that is gone."""
    shutil.rmtree(run / SCRATCH, ignore_errors=True)


def memory_bytes() -> int | None:
    """Memory and swap that this process may use in all, a container's limit included."""
    sizes = meminfo("MemTotal"), meminfo("SwapTotal")
    if sizes[0] is None:
        return None
    limits = [sizes[0] + (sizes[1] or 0)]
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(limits)


def free_memory_bytes() -> int | None:
    """Memory that can be had now without swapping; None where the system does not say."""
    return meminfo("MemAvailable")


def limit_memory() -> int | None:
    """Limit the data of this process and of each that it starts, where the system can.

    Asking for more then fails inside the engine, where it costs a trial, instead of making the
    system end some program of its choice. Returns the limit.
    """
    total = memory_bytes()
    wanted = os.environ.get(MEMORY_VARIABLE)
    if sys.platform != "linux" or (wanted is None and total is None):
        return None
    import resource

    limit = int(wanted) if wanted else max(LEAST_BYTES, int(MEMORY_SHARE * (total or 0)))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    return limit


def first_to_go() -> None:
    """Let the system end this process before the window where memory runs out all the same."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)


def leave_network(probe: Path) -> bool:
    """Give this process, and those it starts, a network of its own that has no way out.

    Linux, as root or where users may make namespaces; elsewhere nothing happens. Asked for while
    the process has a single thread. It is tried in a copy of the process first, since some systems
    allow half of it.

    Parameters
    ----------
    probe
        A folder that must stay writable.

    Returns
    -------
    bool
        Whether there is no network now.
    """
    if sys.platform != "linux" or not _in_a_copy(lambda: _new_network(probe)):
        return False
    return _new_network(None)


def _in_a_copy(work: Callable[[], bool]) -> bool:
    """What ``work`` says in a forked copy of this process, which then ends."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _new_network(probe: Path | None) -> bool:
    user, group = os.geteuid(), os.getegid()
    flags = _CLONE_NEWNET if user == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    if ctypes.CDLL(None).unshare(flags) != 0:
        return False
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    if probe is not None:
        with tempfile.TemporaryFile(dir=probe):
            pass
    return True
