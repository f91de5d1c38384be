"""What is in an exported file, and what must not be: cards yes; optimisers and masks no."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from engine import jsonio
from engine.childproc import child_environment
from engine.errors import EngineFailure
from engine.export import Card, export_model
from engine.export.card import inside, read_inside
from engine.export.litert import open_interpreter, operators
from engine.export.request import CheckRequest, ConvertRequest
from engine.export.usage import load_lines
from tests.engine.export_nets import images, live
from tests.engine.test_export_beside import CARD

if TYPE_CHECKING:
    from tests.engine.export_bench import Bench

pytest_plugins = ["tests.engine.export_bench"]

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("to", ["tflite", "keras", "h5"])
def test_that_class_names_and_preprocessing_are_inside_the_file(
    bench: Bench, tmp_path: Path, to: str
) -> None:
    out = tmp_path / f"a.{to}"
    export_model(bench.source("chain"), to, out, card=CARD, caller=bench.call)
    card = json.loads(read_inside(out, to) or b"{}")
    assert card["class_names"] == list(CARD.class_names)
    assert card["preprocess"]["channel_order"] == "bgr"
    if to == "tflite":
        with zipfile.ZipFile(out) as archive:
            assert archive.read("labels.txt").decode().split() == list(CARD.class_names)
        assert "CONV_2D" in operators(out)
        open_interpreter(out)
    else:
        assert keras.saving.load_model(out, compile=False).output_shape == (None, 5)


@pytest.mark.slow
def test_that_a_file_without_a_card_has_none_inside(bench: Bench, tmp_path: Path) -> None:
    for to in ("tflite", "keras", "h5"):
        out = tmp_path / f"a.{to}"
        export_model(bench.source("chain"), to, out, caller=bench.call)
        assert read_inside(out, to) is None
    assert json.loads(inside(Card()))["preprocess"] is None


def test_that_a_file_that_lost_its_card_is_not_saved(bench: Bench, tmp_path: Path) -> None:
    def other(target: str, payload: Any, *, timeout_s: float) -> Any:
        """Check for the names of another card."""
        if isinstance(payload, CheckRequest):
            return bench.call(
                target,
                CheckRequest(
                    path=payload.path, format=payload.format, samples=payload.samples,
                    reference=payload.reference, inputs=payload.inputs,
                    thresholds=payload.thresholds, card=Card(class_names=("x",)),
                ),
                timeout_s=timeout_s,
            )  # fmt: skip
        return bench.call(target, payload, timeout_s=timeout_s)

    with pytest.raises(EngineFailure, match="class names and preprocessing are not in it"):
        export_model(bench.source("chain"), "tflite", tmp_path / "a", card=CARD, caller=other)
    assert list(tmp_path.iterdir()) == []


def trained(path: Path) -> Path:
    """A model that carries an optimiser with its state, and a mask of a pruned kernel."""
    model = live("chain")
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    x = images("chain", 8)
    model.fit(x, np.arange(8) % 5, verbose=0)
    kernel = model.get_layer("conv1").kernel
    values = keras.ops.convert_to_numpy(kernel)
    kernel.assign(np.where(np.abs(values) < np.quantile(np.abs(values), 0.7), 0, values))
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        archive.extract("model.weights.h5", path.parent)
    with h5py.File(path.parent / "model.weights.h5") as file:
        assert "optimizer" in file, "the model that goes in has an optimiser"
    return path


def test_that_optimisers_and_masks_never_leak_and_zeros_stay_in_every_format(
    bench: Bench, tmp_path: Path
) -> None:
    source = trained(tmp_path / "trained.keras")
    model = keras.saving.load_model(source)
    zeros = sum(
        int(np.count_nonzero(keras.ops.convert_to_numpy(w) == 0))
        for w in model.weights
        if w.name == "kernel"
    )
    params = model.count_params()
    for to in ("keras", "h5", "savedmodel", "tflite"):
        out = tmp_path / f"out.{to}"
        result = export_model(source, to, out, caller=bench.call)
        assert result.checks.zeros == result.checks.model_zeros == zeros
        if to == "savedmodel":
            kept = [tuple(v.shape) for v in tf.saved_model.load(out).kept]
            assert sum(int(np.prod(shape)) for shape in kept) == params
        elif to == "tflite":
            assert result.bytes < 4 * params + 4000
        else:
            again = keras.saving.load_model(out)
            assert getattr(again, "optimizer", None) is None
            assert again.count_params() == params
            assert b"adam" not in out.read_bytes().lower()


def test_that_the_uncut_model_is_timed_in_turn_with_the_export(
    bench: Bench, tmp_path: Path
) -> None:
    timed_together: list[int] = []

    def by_size(target: str, payload: Any, *, timeout_s: float) -> Any:
        """Files that take a millisecond a byte, so that each time tells whose it is."""
        answer = bench.call(target, payload, timeout_s=timeout_s)
        if target.endswith(":time_files_child"):
            timed_together.append(len(payload["paths"]))
            for one, path in zip(answer, payload["paths"], strict=True):
                one["median"] = float(Path(path).stat().st_size)
        return answer

    result = export_model(
        bench.source("chain"), "tflite", tmp_path / "a", dense=bench.source("wide"),
        caller=by_size,
    )  # fmt: skip
    own = result.checks.latency_ms
    assert own is not None
    assert own.runs >= 50
    assert own.median == result.bytes
    assert timed_together == [3], "all in one process"
    for name in ("dense_float32", "dense_int8"):
        beside = result.beside[name]
        assert beside.bytes > result.bytes
        assert beside.latency_ms.runs == own.runs
        assert beside.latency_ms.threads == own.threads
        assert beside.latency_ms.median == beside.bytes
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_that_an_uncut_model_without_a_tflite_form_is_said(bench: Bench, tmp_path: Path) -> None:
    result = export_model(
        bench.source("chain"), "tflite", tmp_path / "a", dense=bench.source("tangent"),
        caller=bench.call,
    )  # fmt: skip
    assert result.beside == {}
    assert result.checks.latency_ms is not None
    assert any("not timed beside" in note and "Tan" in note for note in result.notes)


@pytest.mark.parametrize("to", ["savedmodel", "keras", "h5"])
def test_that_the_lines_that_load_a_file_load_it(bench: Bench, tmp_path: Path, to: str) -> None:
    out = tmp_path / f"a.{to}"
    result = export_model(bench.source("chain"), to, out, card=CARD, caller=bench.call)
    lines = result.load["python"].replace(f'"a.{to}"', repr(str(out)))
    picture = images("chain", 1)
    scope: dict[str, Any] = {"image": picture, "pixels": picture}
    exec(compile(lines, "lines", "exec"), scope)
    found = scope["outputs"]
    assert tuple((found["output_0"] if to == "savedmodel" else found).shape) == (1, 5)
    assert ("serving_pixels" in lines) == (to == "savedmodel")


def test_that_lines_for_a_phone_name_the_file_and_the_tool() -> None:
    lines = load_lines("tflite", "a.tflite", inputs=("image",))
    assert "a.tflite" in lines["kotlin"]
    assert "benchmark_model" in lines["benchmark"]
    assert "runForMultipleInputsOutputs" in load_lines("tflite", "a", inputs=("x", "y"))["kotlin"]


def test_that_what_converts_and_what_checks_never_imports_tfmot(
    bench: Bench, tmp_path: Path
) -> None:
    script = (
        "import sys\n"
        "from engine import jsonio\n"
        "from engine.export import check, convert, litert, preflight\n"
        "convert.convert(jsonio.loads(sys.argv[1]))\n"
        "assert 'tensorflow' in sys.modules\n"
        "sys.exit('tensorflow_model_optimization' in sys.modules)\n"
    )
    request = ConvertRequest(
        source=str(bench.source("chain")), to="tflite", out=str(tmp_path / "a"),
        reference=str(tmp_path / "r.npz"), live_samples=str(tmp_path / "l.npz"),
    )  # fmt: skip
    words = [sys.executable, "-c", script, jsonio.dumps(request).decode()]
    assert subprocess.run(words, env=child_environment(), check=False).returncode == 0
    assert (tmp_path / "a").is_file()
