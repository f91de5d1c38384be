"""The helper process that stays, and the sizes that it measures."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine import childproc
from engine.errors import UserError
from engine.export import (
    HelperProcess,
    estimate_gzip_bytes,
    export_model,
    measure_file_sizes,
    measure_sizes,
)
from engine.export.parts import read_parts, write_parts
from engine.export.place import gzip_bytes
from engine.modelfile import open_model
from tests.engine.export_nets import live

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def helper() -> Iterator[HelperProcess]:
    """A helper that lives as long as the module."""
    with HelperProcess() as one:
        one.start()
        yield one


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a net with enough weights for sizes to mean something."""
    path = tmp_path_factory.mktemp("nets") / "wide.keras"
    live("wide").save(path)
    return path


def test_that_a_helper_serves_many_calls_in_one_process() -> None:
    with HelperProcess() as helper:
        pids = {helper.call("os:getpgid", 0, timeout_s=60) and helper.pid for _ in range(3)}
        assert len(pids) == 1
        assert pids != {os.getpid()}


def test_that_what_is_raised_there_is_raised_here() -> None:
    with HelperProcess() as helper:
        with pytest.raises(UserError) as raised:
            helper.call("engine.data.metrics:metric_named", "beauty", timeout_s=60)
        assert raised.value.code == "data.metric"
        assert helper.pid is not None


def test_that_a_helper_that_is_killed_is_told_and_started_again() -> None:
    with HelperProcess() as helper:
        helper.start()
        first = helper.pid
        with pytest.raises(childproc.ChildDied) as raised:
            helper.call("signal:raise_signal", int(signal.SIGKILL), timeout_s=60)
        assert raised.value.outcome.signal_name == "SIGKILL"
        assert helper.call("os:getpgid", 0, timeout_s=60) > 0
        assert helper.pid not in (None, first)


def test_that_a_bug_in_the_target_ends_the_helper_with_its_traceback() -> None:
    with HelperProcess() as helper:
        with pytest.raises(childproc.ChildDied) as raised:
            helper.call("os:getpgid", "no number", timeout_s=60)
        assert "TypeError" in raised.value.outcome.stderr_tail
        assert raised.value.outcome.exit_code == 1


def test_that_a_slow_call_is_ended_in_time() -> None:
    with HelperProcess() as helper:
        helper.start()
        start = time.monotonic()
        with pytest.raises(childproc.ChildDied) as raised:
            helper.call("time:sleep", 60, timeout_s=0.5)
        assert raised.value.outcome.timed_out
        assert time.monotonic() - start < 20


def test_that_a_helper_ends_when_it_is_closed() -> None:
    helper = HelperProcess()
    helper.start()
    pid = helper.pid
    assert pid is not None
    helper.close()
    assert helper.pid is None
    assert not psutil.pid_exists(pid)


def test_that_a_helper_is_replaced_after_its_calls() -> None:
    with HelperProcess(max_calls=2) as helper:
        pids = []
        for _ in range(3):
            helper.call("os:getpgid", 0, timeout_s=60)
            pids.append(helper.pid)
        assert pids[0] == pids[1] != pids[2]


def test_that_a_graph_travels_whole(wide: Path, tmp_path: Path) -> None:
    file, weights = open_model(wide)
    write_parts(tmp_path, file.graph, weights)
    graph, arrays = read_parts(tmp_path)
    assert graph == file.graph
    assert arrays.keys() == weights.keys()
    for name, by_weight in weights.items():
        for weight, array in by_weight.items():
            np.testing.assert_array_equal(arrays[name][weight], array)


def test_that_measured_sizes_are_those_of_the_exports(
    helper: HelperProcess, wide: Path, tmp_path: Path
) -> None:
    sizes = measure_file_sizes(wide, caller=helper.call)
    file, weights = open_model(wide)
    assert measure_sizes(file.graph, weights, caller=helper.call) == sizes
    result = export_model(wide, "tflite", tmp_path / "a.tflite", caller=helper.call)
    assert result.bytes == sizes.tflite_bytes
    assert result.gzip_bytes == sizes.tflite_gzip_bytes
    assert result.gzip_bytes == gzip_bytes((tmp_path / "a.tflite").read_bytes())
    assert sizes.tflite_int8_bytes is not None
    assert sizes.tflite_int8_bytes < 0.4 * sizes.tflite_bytes


def test_that_estimates_are_near_what_is_measured_dense_and_sparse(
    helper: HelperProcess, wide: Path
) -> None:
    file, weights = open_model(wide)
    sparse = {
        layer: {
            name: np.where(np.abs(array) < np.quantile(np.abs(array), 0.8), 0, array)
            if array.ndim > 1
            else array
            for name, array in arrays.items()
        }
        for layer, arrays in weights.items()
    }
    for arrays in (weights, sparse):
        measured = measure_sizes(file.graph, arrays, caller=helper.call)
        packed = measured.tflite_int8_gzip_bytes
        assert packed is not None
        estimate = estimate_gzip_bytes(file.graph, arrays)
        assert estimate == pytest.approx(measured.tflite_gzip_bytes, rel=0.05)
        estimate = estimate_gzip_bytes(file.graph, arrays, quantize="int8")
        assert estimate == pytest.approx(packed, rel=0.1)
