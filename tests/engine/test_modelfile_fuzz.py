"""Damaged files end in one sentence: a small share of what ``tests/bench/fuzz_open.py`` runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.modelfile import rebuild
from tests.bench import fuzz_open
from tests.engine.modelfile_tools import open_here


def test_that_the_seeds_open(tmp_path: Path) -> None:
    for path in fuzz_open.seeds(tmp_path):
        graph = open_here(path)[0].graph
        assert [len(layer.weights) for layer in graph.layers.values()] == [0, 1, 0, 0, 2]


def test_that_mutated_configs_end_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process: a config is JSON, which cannot crash HDF5."""
    monkeypatch.setattr(fuzz_open, "MUTATIONS", (fuzz_open.mutate_config,))
    answers = [
        fuzz_open.answer(path, open_here)
        for _, path in fuzz_open.damaged_files(tmp_path, 280, seed=1)
    ]
    assert 10 < answers.count("opened") < 250
    assert len(set(answers)) > 4


def test_that_mutated_configs_that_open_are_rebuilt_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz_open, "MUTATIONS", (fuzz_open.mutate_config,))
    built = 0
    for _, path in fuzz_open.damaged_files(tmp_path, 60, seed=2):
        if fuzz_open.answer(path, open_here) != "opened":
            continue
        model_file, weights = open_here(path)
        code = fuzz_open.answer(path, lambda _: rebuild.build(model_file.graph, weights))  # noqa: B023
        built += code == "opened"
    assert built > 3


def test_that_damaged_bytes_end_in_one_sentence_in_the_child(tmp_path: Path) -> None:
    answers = [
        fuzz_open.answer(path, fuzz_open.read_model)
        for _, path in fuzz_open.damaged_files(tmp_path, 20, seed=3)
    ]
    assert "model.damaged" in answers
