"""What is timed, in which order and against which clock, on a clock of the test's own."""

from __future__ import annotations

import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from engine.export import litert

if TYPE_CHECKING:
    from collections.abc import Sequence

COST_MS = {"small": 1.0, "wide": 5.0, "other": 2.0}
COLD_MS = 1000.0


class Machine:
    """Files that take a known time to run, on a clock that only they move."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self.order: list[str] = []
        self.threads: set[int] = set()
        self.alive: weakref.WeakSet[FakeInterpreter] = weakref.WeakSet()
        self.most_alive = 0

    def open(self, path: Path, *, threads: int) -> FakeInterpreter:
        self.threads.add(threads)
        found = FakeInterpreter(self, path.name)
        self.alive.add(found)
        self.most_alive = max(self.most_alive, len(self.alive))
        return found

    def rounds(self) -> list[Sequence[str]]:
        """What ran, round by round."""
        width = len(COST_MS)
        return [self.order[at : at + width] for at in range(0, len(self.order), width)]


class FakeInterpreter:
    """One file; its first calls are slow, as those of a cold cache are."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name
        self.filled: list[Any] = []
        self.calls = 0
        self.slower = 1.0

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": 0, "shape": np.array([1, 4]), "dtype": np.float32}]

    def set_tensor(self, index: int, value: np.ndarray) -> None:
        self.filled.append((index, value.shape))

    def invoke(self) -> None:
        assert self.filled == [(0, (1, 4))]
        self.calls += 1
        cold = self.calls <= litert.WARM_UP_RUNS
        self.machine.order.append(self.name)
        self.machine.now_ms += COLD_MS if cold else self.slower * COST_MS[self.name]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(litert, "open_interpreter", found.open)
    clock = SimpleNamespace(perf_counter=lambda: found.now_ms / 1e3)
    monkeypatch.setattr("engine.export.litert.time", clock)
    return found


@pytest.mark.parametrize("runs", [1, 40, 1003])
def test_that_each_file_is_told_its_own_time_without_the_warm_up(
    machine: Machine, runs: int
) -> None:
    timed = litert.time_files([Path(name) for name in COST_MS], threads=3, runs=runs)
    assert [one.median for one in timed] == pytest.approx(list(COST_MS.values()))
    assert [one.p90 for one in timed] == pytest.approx(list(COST_MS.values()))
    (told,) = {one.runs for one in timed}
    warm_up = litert.WARM_UP_RUNS * litert.TIMES_OPENED
    assert told == len(machine.rounds()) - warm_up >= runs
    assert told < runs + litert.TIMES_OPENED or told * sum(COST_MS.values()) < 1.1 * 1e3 * (
        litert.LEAST_SECONDS * len(COST_MS)
    ), "no longer than is needed"
    assert {one.threads for one in timed} == machine.threads == {3}


def test_that_quick_files_are_timed_for_a_while(machine: Machine) -> None:
    timed = litert.time_files([Path(name) for name in COST_MS], runs=1)
    timed_for_ms = timed[0].runs * sum(COST_MS.values())
    assert timed_for_ms >= 1e3 * litert.LEAST_SECONDS * len(COST_MS)


def test_that_every_round_calls_every_file_once_in_an_order_of_its_own(machine: Machine) -> None:
    litert.time_files([Path(name) for name in COST_MS])
    rounds = machine.rounds()
    assert all(sorted(one) == sorted(COST_MS) for one in rounds)
    assert len({tuple(one) for one in rounds}) == 6, "no file always follows the same other"


def test_that_no_file_is_in_memory_twice(machine: Machine) -> None:
    litert.time_files([Path(name) for name in COST_MS])
    assert machine.most_alive == len(COST_MS)


def test_that_an_interpreter_that_lies_badly_does_not_decide(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = iter([3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 1.0])

    def opened(path: Path, *, threads: int) -> FakeInterpreter:
        found = machine.open(path, threads=threads)
        found.slower = next(slow)
        return found

    monkeypatch.setattr(litert, "open_interpreter", opened)
    first, second = litert.time_files([Path("small"), Path("small")], runs=200)
    assert first.median == pytest.approx(second.median) == pytest.approx(COST_MS["small"])
