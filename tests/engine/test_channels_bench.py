"""What the bench of ``keras.applications`` found, as committed: all models, each promise.

The bench runs for most of an hour; here its figures are read.
"""

from __future__ import annotations

from typing import Any

import keras
import pytest

from engine.channels.oracle import REL_DIFF_LIMIT
from tests.bench.zoo import NAMES, RESULTS, rows

FOUND: dict[tuple[str, bool], dict[str, Any]] = {
    (row["model"], row["through_norms"]): row for row in rows(RESULTS / "zoo.jsonl")
}
CONVNEXT = tuple(name for name in NAMES if name.startswith("ConvNeXt"))


def test_that_the_bench_names_every_model_that_keras_offers() -> None:
    offered = {n for n in dir(keras.applications) if n[0].isupper()}
    assert set(NAMES) == offered
    assert len(NAMES) == 40


@pytest.mark.parametrize(
    ("name", "through_norms"), [*((n, False) for n in NAMES), *((n, True) for n in CONVNEXT)]
)
def test_that_a_model_was_cut_exactly(name: str, through_norms: bool) -> None:
    row = FOUND[name, through_norms]
    assert "error" not in row
    assert row["rel_diff"] <= REL_DIFF_LIMIT < row["shifted_rel_diff"]
    assert row["rebuilt_rel_diff"] <= REL_DIFF_LIMIT
    assert row["two_inputs_differ"] > 0.1
    assert row["weights_untouched"]
    assert row["params_as_keras_counts"]
    assert row["macs_as_reopened"]
    assert row["params_after"] < row["params_before"]
    assert row["macs_after"] < row["macs_before"]
    assert row["share_goal"] >= 0.9
    ours = sum(row[part]["cpu_s"] for part in ("trace", "cut", "rebuild"))
    assert ours <= 2.0 * row["clone_and_copy"]["cpu_s"]
    assert isinstance(row["prune_low_magnitude"]["wraps"], bool)
    pinned = {reason for reason, *_ in row["pinned"].values()}
    if name in CONVNEXT and not through_norms:
        assert row["share_conv"] == 0.0
        assert row["share_pointwise_dense"] == 1.0
    else:
        assert pinned <= {"feeds the model output"}
