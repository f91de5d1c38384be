"""What stands at its place was checked; what failed left nothing; what cannot work is refused."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from engine import childproc
from engine.errors import EngineFailure, UserError
from engine.export import export_model, latency_pair
from engine.export.litert import operators
from engine.export.request import CheckRequest, ConvertRequest
from engine.export.sparse import pack
from tests.engine.export_nets import live

if TYPE_CHECKING:
    from tests.engine.export_bench import Bench

pytest_plugins = ["tests.engine.export_bench"]

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def never(target: str, payload: object, *, timeout_s: float) -> Any:
    """A caller for what must be refused before any process is started."""
    raise AssertionError(f"called {target}")


@pytest.fixture
def keras_file(tmp_path: Path) -> Path:
    """A file that is there; only what never opens it may use it."""
    path = tmp_path / "model.keras"
    path.write_bytes(b"not read")
    return path


@pytest.mark.parametrize("folder", [False, True])
def test_that_what_stands_at_the_place_stays_without_force(
    keras_file: Path, tmp_path: Path, folder: bool
) -> None:
    out = tmp_path / "taken"
    if folder:
        out.mkdir()
    else:
        out.write_bytes(b"mine")
    with pytest.raises(UserError, match="already") as raised:
        export_model(keras_file, "tflite", out, caller=never)
    assert raised.value.code == "out.exists"
    assert out.is_dir() if folder else out.read_bytes() == b"mine"


def test_that_force_replaces_a_file_and_a_folder_whole(bench: Bench, tmp_path: Path) -> None:
    out = tmp_path / "saved"
    out.mkdir()
    for to in ("savedmodel", "tflite", "savedmodel"):
        export_model(bench.source("chain"), to, out, force=True, caller=bench.call)
        assert out.is_dir() == (to == "savedmodel")
    assert [p.name for p in tmp_path.iterdir()] == ["saved"]


def test_that_a_folder_with_other_things_is_never_replaced(tmp_path: Path) -> None:
    source = tmp_path / "mine" / "model.keras"
    source.parent.mkdir()
    source.write_bytes(b"not read")
    for extra in (None, "saved_model.pb"):
        if extra is not None:
            (source.parent / extra).write_bytes(b"x")
        with pytest.raises(UserError) as raised:
            export_model(source, "savedmodel", source.parent, force=True, caller=never)
        assert raised.value.code == "out.is_folder"
    assert source.read_bytes() == b"not read"


def test_that_a_failed_check_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    def shifted(target: str, payload: Any, *, timeout_s: float) -> Any:
        """Convert, then swap two outputs of the reference: as a wrong file would look."""
        answer = bench.call(target, payload, timeout_s=timeout_s)
        if isinstance(payload, ConvertRequest):
            reference = np.load(payload.reference)["r_0"]
            np.savez(payload.reference, r_0=np.roll(reference, 1, axis=-1))
        return answer

    with pytest.raises(EngineFailure, match="outputs differ") as raised:
        export_model(bench.source("chain"), "tflite", tmp_path / "a.tflite", caller=shifted)
    assert raised.value.code == "export.check_failed"
    assert list(tmp_path.iterdir()) == []


def test_that_a_file_damaged_after_writing_is_not_saved(bench: Bench, tmp_path: Path) -> None:
    def damaged(target: str, payload: Any, *, timeout_s: float) -> Any:
        if isinstance(payload, CheckRequest):
            made = Path(payload.path)
            made.write_bytes(made.read_bytes()[:1000])
            return childproc.call(target, payload, timeout_s=timeout_s)
        return bench.call(target, payload, timeout_s=timeout_s)

    with pytest.raises(EngineFailure):
        export_model(bench.source("chain"), "tflite", tmp_path / "a.tflite", caller=damaged)
    assert list(tmp_path.iterdir()) == []


def test_that_a_file_that_the_runtime_refuses_is_one_sentence(bench: Bench, tmp_path: Path) -> None:
    def twisted(target: str, payload: Any, *, timeout_s: float) -> Any:
        """Give the first convolution a vector for its kernel: loading it raises."""
        if not isinstance(payload, CheckRequest):
            return bench.call(target, payload, timeout_s=timeout_s)
        made = Path(payload.path)
        model = schema.ModelT.InitFromPackedBuf(made.read_bytes(), 0)
        graph = model.subgraphs[0]
        op = next(o for o in graph.operators if len(o.inputs) == 3)
        op.inputs = [int(op.inputs[0]), int(op.inputs[2]), int(op.inputs[2])]
        made.write_bytes(pack(model))
        return childproc.call(target, payload, timeout_s=timeout_s)

    with pytest.raises(EngineFailure, match="the runtime cannot run it") as raised:
        export_model(bench.source("chain"), "tflite", tmp_path / "a.tflite", caller=twisted)
    assert raised.value.code == "export.check_failed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
@pytest.mark.parametrize("step", ["convert", "check"])
def test_that_a_helper_that_dies_is_one_sentence(
    bench: Bench, tmp_path: Path, number: signal.Signals, step: str
) -> None:
    def dying(target: str, payload: object, *, timeout_s: float) -> Any:
        if f".{step}:" in target:
            return childproc.call("signal:raise_signal", int(number), timeout_s=timeout_s)
        return bench.call(target, payload, timeout_s=timeout_s)

    with pytest.raises(EngineFailure) as raised:
        export_model(bench.source("chain"), "tflite", tmp_path / "a.tflite", caller=dying)
    assert number.name in raised.value.message
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 5
    assert list(tmp_path.iterdir()) == []


def test_that_dynamic_with_sparse_is_refused_with_the_reason(
    keras_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no runtime can run") as raised:
        export_model(
            keras_file, "tflite", tmp_path / "a", quantize="dynamic", sparse=True, caller=never
        )
    assert raised.value.code == "export.sparse_dynamic"


def test_that_int8_without_samples_is_refused(keras_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        export_model(keras_file, "tflite", tmp_path / "a", quantize="int8", caller=never)
    assert raised.value.code == "export.no_calibration"


@pytest.mark.parametrize("to", ["savedmodel", "keras", "h5"])
def test_that_only_tflite_is_quantised(keras_file: Path, tmp_path: Path, to: str) -> None:
    with pytest.raises(UserError, match="Only TFLite"):
        export_model(keras_file, to, tmp_path / "a", quantize="float16", caller=never)


def test_that_the_model_itself_is_never_replaced(keras_file: Path) -> None:
    with pytest.raises(UserError, match="replace the model"):
        export_model(keras_file, "keras", keras_file, force=True, caller=never)


def test_that_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.keras"):
        export_model(tmp_path / "nowhere.keras", "tflite", tmp_path / "a", caller=never)


def test_that_without_samples_random_input_is_used_and_said(bench: Bench, tmp_path: Path) -> None:
    result = export_model(bench.source("chain"), "tflite", tmp_path / "a.tflite", caller=bench.call)
    assert result.checks.live
    assert result.checks.value is None
    assert any("random input" in note for note in result.notes)
    assert not any("constant" in note for note in result.notes)


def test_that_norms_fold_and_only_builtin_operators_are_left(bench: Bench, tmp_path: Path) -> None:
    out = tmp_path / "a.tflite"
    result = export_model(bench.source("chain"), "tflite", out, caller=bench.call)
    assert result.ops == operators(out)
    assert result.ops is not None
    assert result.ops["CONV_2D"] == 2
    assert not {"RSQRT", "VAR_HANDLE", "READ_VARIABLE", "SUB"} & result.ops.keys()


def test_that_sparse_encoding_is_smaller_on_a_sparse_model_and_left_out_on_a_dense_one(
    bench: Bench, tmp_path: Path
) -> None:
    dense = export_model(
        bench.source("wide"), "tflite", tmp_path / "dense", sparse=True, caller=bench.call
    )
    assert not dense.sparse
    assert any("Sparse encoding would not" in note for note in dense.notes)
    model = live("wide")
    for weight in model.weights:
        if "kernel" in weight.path:
            values = weight.numpy()
            weight.assign(np.where(np.abs(values) < np.quantile(np.abs(values), 0.9), 0, values))
    source = tmp_path / "sparse.keras"
    model.save(source)
    sparse = export_model(source, "tflite", tmp_path / "s", sparse=True, caller=bench.call)
    plain = export_model(source, "tflite", tmp_path / "p", caller=bench.call)
    assert sparse.sparse
    assert sparse.ops is not None
    assert "DENSIFY" in sparse.ops
    assert sparse.bytes < 0.6 * plain.bytes


def test_that_sparse_int8_runs_though_its_dense_layer_may_not_be_sparse(
    bench: Bench, tmp_path: Path
) -> None:
    model = live("headed")
    for weight in model.weights:
        if "kernel" in weight.path:
            values = weight.numpy()
            weight.assign(np.where(np.abs(values) < np.quantile(np.abs(values), 0.9), 0, values))
    source, out = tmp_path / "sparse.keras", tmp_path / "s.tflite"
    model.save(source)
    result = export_model(
        source, "tflite", out, quantize="int8", sparse=True, samples=bench.samples("headed"),
        caller=bench.call,
    )  # fmt: skip
    assert result.checks.reloaded
    assert result.sparse
    assert result.ops is not None
    assert result.ops["FULLY_CONNECTED"] == 2
    assert result.ops["DENSIFY"] == 2


def test_that_an_operator_without_a_builtin_is_refused_by_name(
    bench: Bench, tmp_path: Path
) -> None:
    out = tmp_path / "a.tflite"
    with pytest.raises(UserError) as raised:
        export_model(bench.source("tangent"), "tflite", out, caller=bench.call)
    assert raised.value.code == "export.operators"
    assert "Tan" in raised.value.message
    assert not out.exists()


def test_that_samples_of_the_wrong_size_are_refused_with_both_sizes(
    bench: Bench, tmp_path: Path
) -> None:
    samples = tmp_path / "s.npz"
    np.savez(samples, x=np.zeros((2, 9, 8, 3), np.float32))
    with pytest.raises(UserError, match="8 x 8 x 3, a sample has 9 x 8 x 3"):
        export_model(
            bench.source("chain"), "tflite", tmp_path / "a", samples=samples, caller=bench.call
        )


def test_that_an_open_size_needs_samples_or_a_shape(bench: Bench, tmp_path: Path) -> None:
    source = bench.source("any_size")
    with pytest.raises(UserError) as raised:
        export_model(source, "tflite", tmp_path / "a", caller=bench.call)
    assert raised.value.code == "export.unknown_size"
    export_model(source, "tflite", tmp_path / "a", input_shape=(16, 8, 3), caller=bench.call)
    export_model(source, "savedmodel", tmp_path / "b", input_shape=(16, 8, 3), caller=bench.call)


def test_that_two_files_are_timed_in_one_process(bench: Bench, tmp_path: Path) -> None:
    paths = []
    for net in ("chain", "wide"):
        paths.append(tmp_path / net)
        export_model(bench.source(net), "tflite", paths[-1], caller=bench.call)
    small, wide = latency_pair(paths, runs=60, caller=bench.call)
    assert small.runs == wide.runs >= 60
    assert small.threads == wide.threads == 2
    assert 0 < small.median <= small.p90
    assert 0 < wide.median <= wide.p90


def test_that_no_machine_path_is_written_into_a_saved_model(bench: Bench, tmp_path: Path) -> None:
    out = tmp_path / "saved"
    export_model(bench.source("chain"), "savedmodel", out, caller=bench.call)
    for part in out.rglob("*"):
        if part.is_file():
            assert str(Path(__file__).parents[2]).encode() not in part.read_bytes()
            assert str(bench.folder).encode() not in part.read_bytes()
