"""What holds for every test: quiet two-threaded TensorFlow, Qt off screen, fixed seeds, no network,
and nothing left running.

Tests marked ``slow`` run only with ``--all``. A test that leaves a thread or a process behind
fails; Qt's own threads and timers are the business of ``tests/gui``.
"""

from __future__ import annotations

import os

# Before anything imports TensorFlow, Keras or Qt.
for _name, _value in {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "2",
    "TF_NUM_INTEROP_THREADS": "2",
    "OMP_NUM_THREADS": "2",
    "KERAS_BACKEND": "tensorflow",
    "QT_QPA_PLATFORM": "offscreen",
}.items():
    os.environ.setdefault(_name, _value)

import random  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from typing import Any  # noqa: E402

import psutil  # noqa: E402
import pytest  # noqa: E402

SEED = 20260
GRACE_S = 3.0
"""How long a thread or process may take to end after its test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--all``."""
    parser.addoption("--all", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is slow, unless ``--all`` was given or one test was asked for by its node id."""
    if config.getoption("--all"):
        return
    skip = pytest.mark.skip(reason="slow: runs with --all")
    named = {argument for argument in config.args if "::" in argument}
    for item in items:
        asked_for = any(item.nodeid.startswith(argument) for argument in named)
        if item.get_closest_marker("slow") is not None and not asked_for:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """The same random numbers in every test, of the libraries that are there already."""
    random.seed(SEED)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(SEED)
    keras: Any = sys.modules.get("keras")
    if keras is not None:
        keras.utils.set_random_seed(SEED)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this computer."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            if host not in ("localhost", "::1") and not host.startswith("127."):
                raise AssertionError(f"a test tried to reach the network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """Fail a test after which a thread or a process of its own is still there."""
    threads = set(threading.enumerate())
    processes = {process.pid for process in _children()}
    yield
    deadline = time.monotonic() + GRACE_S
    left = _left(threads, processes)
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = _left(threads, processes)
    if left:
        pytest.fail(f"left running after the test: {', '.join(left)}", pytrace=False)


def _left(threads: set[threading.Thread], processes: set[int]) -> list[str]:
    """Names of the threads and processes that are there now and were not before."""
    new_threads = [
        f"thread {thread.name}"
        for thread in threading.enumerate()
        # pytest-timeout's own timer; threads that Python did not start (Qt, TensorFlow) are dummies
        if thread not in threads
        and not thread.name.startswith("pytest_timeout")
        and not isinstance(thread, threading._DummyThread)
    ]
    new_processes = [
        f"process {process.pid} ({_command_of(process)})"
        for process in _children()
        # multiprocessing keeps one tracker for as long as Python runs
        if process.pid not in processes and "resource_tracker" not in _command_of(process)
    ]
    return new_threads + new_processes


def _children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:200] or process.name()
    except psutil.Error:
        return "ended"
