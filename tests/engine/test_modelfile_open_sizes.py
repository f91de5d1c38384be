"""Sizes that a model leaves open, told by a person."""

from __future__ import annotations

from pathlib import Path

from engine.inspection import inspect_model
from tests.engine import modelfile_hostile as hostile


def test_that_an_open_input_takes_the_sizes_that_are_told(tmp_path: Path) -> None:
    config = hostile.model(hostile.CONV)
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, None, None, 3]
    path = hostile.write_keras(tmp_path / "open.keras", config)
    assert inspect_model(path)["macs"] is None
    told = inspect_model(path, input_shape=(12, 10, 3))
    assert told["inputs"][0]["shape"] == [12, 10, 3]
    assert told["layers"][-1]["output_shape"] == [12, 10, 2]
    assert told["macs"] == 12 * 10 * 3 * 2
