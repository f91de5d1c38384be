"""What to send with a report of trouble: versions, machine, the run and the end of its log.

Owns the text and that nothing private is in it: of every path only the last name is left, and
neither the user's nor the computer's name. It opens no model and no data, and sends nothing.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import shutil
import site
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import engine
from engine.errors import SecateurError
from engine.machine import cpu_name, meminfo, package_versions
from engine.runs import LOG, RunFolder, is_locked
from engine.telling.units import size

LOG_LINES = 120
_READ_BYTES = 64_000
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'\"<>|,;()\[\]]+)+[\\/](?=[^\s\\/])")


def diagnostics(run: Path | None = None) -> str:
    """The text, a line a fact; with a run folder, about that run too.

    Raises
    ------
    UserError
        Where there is no such run.
    """
    lines = list(_installation())
    if run is not None:
        folder = RunFolder.open(run)
        lines += ["", *_run(folder), "", f"The end of {LOG}:", *_log(folder.path / LOG)]
    return without_private("\n".join(lines), run) + "\n"


def _installation() -> Iterator[str]:
    yield f"Secateur {engine.__version__}"
    yield f"Python {platform.python_version()} on {platform.platform()}"
    found = package_versions()
    yield ", ".join(f"{name} {version or 'missing'}" for name, version in found.items())
    total, free = meminfo("MemTotal"), meminfo("MemAvailable")
    yield f"{cpu_name()}, {os.cpu_count()} cores; memory {size(total)}, {size(free)} free"
    names = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "SECATEUR_LOG")
    told = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    if told:
        yield ", ".join(told)


def _run(folder: RunFolder) -> Iterator[str]:
    state = folder.state()
    working = " (an engine is at work)" if is_locked(folder.path) else ""
    yield f"Run: {state.status}{working}, phase {state.phase}, {len(state.trials)} trials"
    yield f"Engine: {state.device}; disk: {size(shutil.disk_usage(folder.path).free)} free"
    try:
        job = folder.job()
        yield f"Job: {job.strategy}, {job.criterion}, seed {job.seed}, {job.goal}, {job.budget}"
    except SecateurError as error:
        yield str(error)
    if state.needs is not None:
        yield f"Needs: {state.needs}"
    for death in state.deaths:
        yield f"Engine died: {death}"
    if state.error is not None:
        yield f"Error: {state.error.code}: {state.error.message}"


def _log(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _READ_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]
    except OSError as error:
        return [f"It cannot be read ({error.strerror})."]


def without_private(text: str, run: Path | None = None) -> str:
    """The text without folders and without the names of user and computer."""
    ours = Path(engine.__file__).parents[1]
    known = {
        **dict.fromkeys(site.getsitepackages(), "site-packages"),
        str(ours): "secateur",
        sys.prefix: "python",
        sys.base_prefix: "python",
        tempfile.gettempdir(): "TEMP",
        str(Path.home()): "~",
    }
    if run is not None:
        known |= {str(run.absolute()): "RUN", str(run.resolve()): "RUN"}
    for folder in sorted(known, key=len, reverse=True):
        if len(folder) > 1:
            text = text.replace(folder, known[folder])
    text = _PATH.sub("\u2026/", text)
    for name, instead in ((_user(), "USER"), (socket.gethostname(), "HOST")):
        if len(name) > 1:
            text = re.sub(rf"\b{re.escape(name)}\b", instead, text)
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
