"""What is timed, in which order and against which clock, on a clock of the test's own."""

from __future__ import annotations

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

    def open(self, path: Path, *, threads: int) -> FakeInterpreter:
        self.threads.add(threads)
        return FakeInterpreter(self, path.name)

    def rounds(self) -> list[Sequence[str]]:
        """What ran, round by round."""
        width = len(COST_MS)
        return [self.order[at : at + width] for at in range(0, len(self.order), width)]


class FakeInterpreter:
    """One file; its first calls are slow, as those of a cold cache are."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name
        self.filled: list[Any] = []

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": 0, "shape": np.array([1, 4]), "dtype": np.float32}]

    def set_tensor(self, index: int, value: np.ndarray) -> None:
        self.filled.append((index, value.shape))

    def invoke(self) -> None:
        assert self.filled == [(0, (1, 4))]
        cold = self.machine.order.count(self.name) < litert.WARM_UP_RUNS
        self.machine.order.append(self.name)
        self.machine.now_ms += COLD_MS if cold else COST_MS[self.name]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(litert, "open_interpreter", found.open)
    clock = SimpleNamespace(perf_counter=lambda: found.now_ms / 1e3)
    monkeypatch.setattr("engine.export.litert.time", clock)
    return found


def test_that_each_file_is_told_its_own_time_without_the_warm_up(machine: Machine) -> None:
    timed = litert.time_files([Path(name) for name in COST_MS], threads=3, runs=40)
    assert [one.median for one in timed] == pytest.approx(list(COST_MS.values()))
    assert [one.p90 for one in timed] == pytest.approx(list(COST_MS.values()))
    assert {(one.runs, one.threads) for one in timed} == {(40, 3)}
    assert machine.threads == {3}


def test_that_every_round_calls_every_file_once_in_an_order_of_its_own(machine: Machine) -> None:
    litert.time_files([Path(name) for name in COST_MS], runs=40)
    rounds = machine.rounds()
    assert len(rounds) == 40 + litert.WARM_UP_RUNS
    assert all(sorted(one) == sorted(COST_MS) for one in rounds)
    assert len({tuple(one) for one in rounds}) == 6, "no file always follows the same other"
