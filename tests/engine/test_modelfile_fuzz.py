"""Damaged files end in one sentence: a small share of what ``tests/bench/fuzz_open.py`` runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.modelfile import child, rebuild, view_model
from tests.bench import fuzz_open
from tests.engine.modelfile_tools import open_here


@pytest.mark.parametrize("kind", ["keras", "h5", "savedmodel", "json"])
def test_that_the_seeds_open(kind: str, tmp_path: Path) -> None:
    path, weights = fuzz_open.seeds()[kind].write(tmp_path)
    graph = open_here(path, weights=weights)[0].graph
    counts = [len(layer.weights) for layer in graph.layers.values()]
    assert counts == ([0, 1, 0] if kind == "savedmodel" else [0, 1, 0, 0, 2])


def test_that_mutated_configs_end_in_one_sentence(tmp_path: Path) -> None:
    """In this process: a config is JSON, which cannot crash HDF5."""
    answers = Counter(
        fuzz_open.answer(made.path, lambda p, w=made.weights: open_here(p, weights=w))  # type: ignore[misc]
        for made in fuzz_open.damaged_files(
            tmp_path,
            200,
            seed=101,
            kinds=("keras", "h5", "savedmodel", "json"),
            mutations=(fuzz_open.mutate_config,),
        )
    )
    assert 10 < answers["opened"] < 180
    assert len(answers) > 4


def test_that_damaged_checkpoints_and_tflite_files_end_in_one_sentence(tmp_path: Path) -> None:
    """In this process, too: their bytes are read by Python alone."""
    answers: Counter[str] = Counter()
    made = fuzz_open.damaged_files(
        tmp_path, 80, seed=102, kinds=("savedmodel", "tflite"), mutations=fuzz_open.BYTES
    )
    for each in made:
        opener = open_here if each.kind == "savedmodel" else _view_here
        answers[fuzz_open.answer(each.path, opener)] += 1
    assert {"opened", "model.damaged"} <= set(answers)


def _view_here(path: Path) -> object:
    if path.read_bytes()[4:8] != b"TFL3":
        return open_here(path)
    return child.read_tflite({"path": str(path)})


def test_that_mutated_configs_that_open_are_rebuilt_or_refused(tmp_path: Path) -> None:
    built = 0
    for made in fuzz_open.damaged_files(
        tmp_path, 60, seed=103, kinds=("keras", "h5"), mutations=(fuzz_open.mutate_config,)
    ):
        if fuzz_open.answer(made.path, open_here) != "opened":
            continue
        model_file, weights = open_here(made.path)
        code = fuzz_open.answer(
            made.path,
            lambda _: rebuild.build(model_file.graph, weights),  # noqa: B023
        )
        built += code == "opened"
    assert built > 3


def test_that_damaged_bytes_end_in_one_sentence_in_the_child(tmp_path: Path) -> None:
    answers = [
        fuzz_open.answer(made.path, lambda p, w=made.weights: view_model(p, weights=w))  # type: ignore[misc]
        for made in fuzz_open.damaged_files(tmp_path, 20, seed=104, mutations=fuzz_open.BYTES)
    ]
    assert "model.damaged" in answers
