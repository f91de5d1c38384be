"""Whole searches on the sample by what is learned on images: skeletons, gates, greedy removal."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import api
from engine.data.sample import sample_model_path
from engine.errors import UserError
from engine.job import Budget, DataSpec, Goal, Job
from engine.modelfile.reader import open_model
from engine.sparsity.levels import prunable_weights, sparsity_of


def job(**changes: object) -> Job:
    values = {
        "model": str(sample_model_path()), "data": DataSpec(source="digits"),
        "goal": Goal(tolerance=0.1), "budget": Budget(epochs=4, max_trials=2), "export": (),
        "controls": False,
    }  # fmt: skip
    return Job(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["skeleton", "gate", "greedy"])
def test_that_a_learned_criterion_ranks_in_the_default_search(
    criterion: str, tmp_path: Path
) -> None:
    result = api.prune(job(criterion=criterion, budget=Budget(epochs=4, max_trials=1)), tmp_path)
    assert result["status"] == "met"
    assert result["final"]["params"] < 0.8 * result["baseline"]["params"]


@pytest.mark.slow
def test_that_skeletons_end_in_fewer_channels_and_in_zeros_that_are_saved(tmp_path: Path) -> None:
    result = api.prune(job(strategy="skeleton"), tmp_path)
    trained = result["trials"][0]
    assert trained["keep"] == 1.0
    assert trained["sparsity"] > 0.0
    assert result["status"] == "met"
    assert result["final"]["nonzero"] < result["baseline"]["nonzero"]
    file, weights = open_model(tmp_path / "model.keras")
    zeros = sum(r.zeros for r in sparsity_of(weights, prunable_weights(file.graph)).values())
    assert zeros == result["final"]["params"] - result["final"]["nonzero"]


def test_that_a_learned_criterion_without_data_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="labelled images"):
        api.slim(sample_model_path(), tmp_path / "out.keras", keep=0.5, criterion="skeleton")
