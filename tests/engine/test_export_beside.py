"""What goes with an export: its card, its preprocessing, integer input, the lines that load it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from engine import jsonio
from engine.data.preprocess import Preprocess
from engine.errors import EngineFailure, UserError
from engine.export import Card, export_model
from engine.export.compare import compare, decide, too_far
from engine.export.litert import open_interpreter
from engine.export.request import CheckRequest
from engine.export.result import ExportResult
from engine.export.samples import InputSpec, Samples, fit_samples, live_samples, read_samples
from engine.export.sparse import keep_where_it_helps
from engine.export.usage import load_lines, runs_on
from tests.engine.export_nets import live

if TYPE_CHECKING:
    from tests.engine.export_bench import Bench

pytest_plugins = ["tests.engine.export_bench"]

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CARD = Card(
    class_names=("ant", "bee", "cat", "dog", "eel"),
    preprocess=Preprocess(mode="torch", channel_order="bgr"),
)


def test_that_class_names_and_preprocessing_lie_beside_the_file(
    bench: Bench, tmp_path: Path
) -> None:
    out = tmp_path / "pets.tflite"
    result = export_model(bench.source("chain"), "tflite", out, card=CARD, caller=bench.call)
    card = json.loads((tmp_path / "pets.tflite.json").read_text())
    assert card["class_names"] == list(CARD.class_names)
    assert card["preprocess"]["channel_order"] == "bgr"
    assert card["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert card["file"] == "pets.tflite"
    assert card["inputs"] == [{"name": "image", "shape": [8, 8, 3], "dtype": "float32"}]
    assert result.bytes == out.stat().st_size


def test_that_a_card_is_not_written_over_without_force(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "a.tflite.json").write_text("mine")
    with pytest.raises(UserError, match="already"):
        export_model(
            bench.source("chain"), "tflite", tmp_path / "a.tflite", card=CARD, caller=bench.call
        )
    assert [p.name for p in tmp_path.iterdir()] == ["a.tflite.json"]


def test_that_a_saved_model_serves_with_and_without_its_preprocessing(
    bench: Bench, tmp_path: Path
) -> None:
    out = tmp_path / "saved"
    export_model(bench.source("chain"), "savedmodel", out, card=CARD, caller=bench.call)
    assert json.loads((out / "assets.extra" / "card.json").read_text())["format"] == "savedmodel"

    def other(target: str, payload: Any, *, timeout_s: float) -> Any:
        """Check against another preprocessing than the one that was written."""
        if isinstance(payload, CheckRequest):
            payload = jsonio.from_plain(
                {**jsonio.to_plain(payload), "card": {"preprocess": {"mode": "0-1"}}},
                CheckRequest,
            )
        return bench.call(target, payload, timeout_s=timeout_s)

    with pytest.raises(EngineFailure, match="with its preprocessing"):
        export_model(bench.source("chain"), "savedmodel", tmp_path / "b", card=CARD, caller=other)


@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_that_int8_files_can_take_and_give_integers(bench: Bench, tmp_path: Path, io: str) -> None:
    out = tmp_path / "a.tflite"
    result = export_model(
        bench.source("chain"), "tflite", out, quantize="int8", io=io,
        samples=bench.samples("chain"), caller=bench.call,
    )  # fmt: skip
    interpreter = open_interpreter(out)
    assert interpreter.get_input_details()[0]["dtype"] == np.dtype(io)
    assert interpreter.get_output_details()[0]["dtype"] == np.dtype(io)
    assert result.checks.agreement is not None
    assert result.checks.agreement >= 0.8


def test_that_integers_need_full_int8(tmp_path: Path) -> None:
    source = tmp_path / "model.keras"
    source.write_bytes(b"not read")
    with pytest.raises(UserError, match="Only full int8"):
        export_model(source, "tflite", tmp_path / "a", io="int8")


def test_that_int8_is_calibrated_on_the_calibration_samples(bench: Bench, tmp_path: Path) -> None:
    x = np.load(bench.samples("chain"))["x"]
    found = []
    for name, calibration in (("own", x), ("dark", x / 50)):
        samples = tmp_path / f"{name}.npz"
        np.savez(samples, x=x, calibration=calibration)
        out = tmp_path / f"{name}.tflite"
        try:
            export_model(
                bench.source("chain"), "tflite", out, quantize="int8", samples=samples,
                caller=bench.call,
            )  # fmt: skip
        except EngineFailure:
            found.append(None)
        else:
            details = open_interpreter(out).get_tensor_details()
            found.append(next(d["quantization"][0] for d in details if "quantize" in d["name"]))
    assert found[0] is not None
    assert found[1] is None or found[1] < found[0] / 10


def test_that_a_result_is_json_and_back(bench: Bench, tmp_path: Path) -> None:
    result = export_model(bench.source("chain"), "tflite", tmp_path / "a.tflite", caller=bench.call)
    plain = jsonio.to_plain(result)
    assert {"path", "bytes", "gzip_bytes", "checks"} <= plain.keys()
    assert {
        "reloaded", "max_abs_diff", "agreement", "metric", "value", "latency_ms"
    } <= plain["checks"].keys()  # fmt: skip
    assert plain["checks"]["latency_ms"].keys() == {"median", "p90", "runs", "threads"}
    assert jsonio.from_plain(plain, ExportResult) == result
    assert "XNNPACK" in plain["runs_on"]


def test_that_what_was_not_measured_is_said() -> None:
    assert "DENSIFY" in runs_on("tflite", sparse=True)
    assert "not measured" in runs_on("tflite", quantize="int8", io="int8")
    assert "cannot re-open" in runs_on("savedmodel")


def test_that_the_lines_that_load_a_tflite_file_load_it(bench: Bench, tmp_path: Path) -> None:
    out = tmp_path / "a.tflite"
    result = export_model(bench.source("chain"), "tflite", out, caller=bench.call)
    lines = result.load["python"].replace('"a.tflite"', repr(str(out)))
    scope: dict[str, Any] = {"image": np.zeros((1, 8, 8, 3), np.float32)}
    exec(compile(lines, "lines", "exec"), scope)
    assert scope["outputs"]["output_0"].shape == (1, 5)
    for to in ("savedmodel", "keras", "h5"):
        compile(load_lines(to, "x", inputs=("image",))["python"], "lines", "exec")


def test_that_live_samples_fill_the_range_and_the_type() -> None:
    specs = (InputSpec(name="a", shape=(6, 5, 3)), InputSpec(name="b", shape=(4,), dtype="uint8"))
    samples = live_samples(specs, ((-1.0, 1.0), (0.0, 255.0)), count=20)
    assert samples.live
    first, second = samples.inputs
    assert first.shape == (20, 6, 5, 3)
    assert -1 <= first.min() < -0.5 < 0.5 < first.max() <= 1
    assert second.dtype == np.uint8
    assert fit_samples(samples, specs).inputs[0].dtype == np.float32


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"y": np.zeros(3)}, "samples.no_x"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(2)}, "samples.lengths"),
        ({"x": np.zeros((0, 2))}, "samples.empty"),
        ({"x": np.full((2, 2), np.nan)}, "samples.not_finite"),
        ({"x": np.array([{}], object)}, "samples.unreadable"),
    ],
)
def test_that_bad_samples_are_named(
    tmp_path: Path, arrays: dict[str, np.ndarray], code: str
) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(UserError) as raised:
        read_samples(path)
    assert raised.value.code == code


def test_that_a_text_file_is_no_samples_file(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    path.write_text("hello")
    with pytest.raises(UserError, match="cannot be read"):
        read_samples(path)


def test_that_samples_for_another_number_of_inputs_are_refused() -> None:
    spec = InputSpec(name="a", shape=(2,))
    with pytest.raises(UserError, match="takes 2 inputs"):
        fit_samples(Samples(inputs=(np.zeros((1, 2)),)), (spec, spec))


def test_that_a_constant_file_is_too_far_however_it_was_quantised() -> None:
    reference = np.random.default_rng(0).random((50, 5))
    constant = np.tile(reference.mean(axis=0), (50, 1))
    for quantize in ("none", "float16", "dynamic", "int8"):
        difference = compare([reference], [constant], thresholds=[None])
        assert too_far(difference, quantize) is not None
    same = compare([reference], [reference], thresholds=[None])
    assert (same.max_abs, same.agreement) == (0.0, 1.0)
    assert too_far(same, "none") is None


def test_that_outputs_that_are_no_numbers_are_too_far() -> None:
    reference = np.random.default_rng(0).random((5, 5))
    broken = reference.copy()
    broken[2, 3] = np.nan
    reason = too_far(compare([reference], [broken], thresholds=[None]), "int8")
    assert reason == "its outputs are not finite"


def test_that_a_lone_channel_decides_by_its_threshold() -> None:
    output = np.array([[0.2], [0.7]])
    assert decide(output, None) is None
    decisions = decide(output, 0.5)
    assert decisions is not None
    assert decisions.tolist() == [False, True]


@pytest.mark.parametrize("to", ["tflite", "keras", "h5"])
@pytest.mark.parametrize("net", ["depthwise", "unet"])
def test_that_zeros_in_the_file_are_those_of_the_model(
    bench: Bench, tmp_path: Path, net: str, to: str
) -> None:
    model = live(net)
    zeros = 0
    for weight in model.weights:
        if "kernel" in weight.path:
            values = weight.numpy()
            values = np.where(np.abs(values) < np.quantile(np.abs(values), 0.8), 0, values)
            weight.assign(values)
            zeros += int(np.count_nonzero(values == 0))
    source = tmp_path / "zeros.keras"
    model.save(source)
    found = {
        sparse: export_model(
            source, to, tmp_path / f"out{sparse}", sparse=sparse, caller=bench.call
        ).checks.zeros
        for sparse in ((False, True) if to == "tflite" else (False,))
    }
    assert set(found.values()) == {zeros}


def test_that_a_dense_file_is_left_as_it_is(bench: Bench, tmp_path: Path) -> None:
    out = tmp_path / "a.tflite"
    export_model(bench.source("chain"), "tflite", out, caller=bench.call)
    assert keep_where_it_helps(out.read_bytes()) == out.read_bytes()
