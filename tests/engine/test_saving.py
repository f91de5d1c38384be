"""Export and preflight as people call them: what a run or data add to a file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine import api
from engine.cli import run as run_command
from engine.data.sample import sample_model_path
from engine.export.kernels import kernels
from engine.job import DataSpec, Job
from engine.runs import RunFolder


@pytest.mark.slow
def test_that_an_export_with_data_is_clustered_judged_and_carries_its_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "digits.tflite"
    words = ["export", str(sample_model_path()), "--to", "tflite", "-o", str(out)]
    assert run_command([*words, "--data", "digits", "--cluster", "16", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    checks = answer["checks"]
    assert checks["metric"] == "accuracy"
    assert checks["value"] == checks["model_value"] > 0.9
    assert not checks["live"]
    assert answer["cluster"]["values"] <= 16
    assert answer["cluster"]["unclustered_value"] > 0.95
    assert answer["cluster"]["loss_after"] <= answer["cluster"]["loss_before"]
    assert answer["cluster"]["huffman_bytes"] < answer["gzip_bytes"] < answer["bytes"] / 3
    for kernel in kernels(out):
        assert len(np.unique(kernel[kernel != 0])) <= 16
    assert answer["beside"].keys() == {"dense_float32", "dense_int8"}
    assert answer["beside"]["dense_int8"]["bytes"] < answer["bytes"]
    with zipfile.ZipFile(out) as archive:
        assert archive.read("labels.txt").split() == [str(n).encode() for n in range(10)]
    assert json.loads((tmp_path / "digits.tflite.json").read_text())["class_names"][3] == "3"


def test_that_number_types_need_int8_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.tflite"
    words = ["export", str(sample_model_path()), "--to", "tflite", "-o", str(out), "--json"]
    assert run_command([*words, "--io", "int8"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "export.io"
    assert run_command([*words, "--quantize", "dynamic", "--sparse"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "export.sparse_dynamic"
    assert list(tmp_path.iterdir()) == []


def test_that_a_run_without_a_model_has_nothing_to_export(tmp_path: Path) -> None:
    job = Job(model=str(sample_model_path()), data=DataSpec(source="digits"))
    RunFolder.create(tmp_path / "run", job)
    words = ["export", str(tmp_path / "run"), "--to", "keras", "-o", str(tmp_path / "a.keras")]
    assert run_command(words) == 2
    assert not (tmp_path / "a.keras").exists()


@pytest.mark.slow
def test_that_a_preflight_measures_three_keep_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    answer = api.measure_gain(sample_model_path())
    assert [w["keep"] for w in answer["widths"]] == [1.0, 0.75, 0.5, 0.25]
    for wide, narrow in zip(answer["widths"], answer["widths"][1:], strict=False):
        assert narrow["params"] < wide["params"]
        assert narrow["sizes"]["tflite_int8_bytes"] < wide["sizes"]["tflite_int8_bytes"]
        assert narrow["latency_ms"]["runs"] >= 50
    assert 0.5 < answer["params_removable"] < 1
    assert "cannot speed this model up" in answer["sparse_speed"]["sentence"]
    assert run_command(["preflight", str(sample_model_path())]) == 0
    assert "channels kept" in capsys.readouterr().out
