"""A run that the first version wrote, kept as it was: it opens, tells its story, and can go on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine import api
from engine.data.sample import sample_model_path
from engine.report.result import result_of
from engine.runs import JOB, JOURNAL, RunFolder, list_runs

STORED = Path(__file__).parent / "data" / "run-schema-1"


def test_that_a_stored_old_run_opens_with_what_was_added_since_at_its_default() -> None:
    folder = RunFolder.open(STORED)
    job, state = folder.job(), folder.state()
    assert json.loads((STORED / JOB).read_text())["schema"] == job.schema == 1
    assert (job.strategy, job.budget.epochs, job.allocation) == ("structured", 1, "sensitivity")
    assert state.status == "met"
    assert [t.kind for t in state.trials] == ["probe"] * 4 + ["fine_tune"]
    assert state.deaths == ()
    assert state.needs is None
    assert len(list(folder.events())) == len((STORED / JOURNAL).read_text().splitlines())


def test_that_a_stored_old_run_has_a_result_and_a_line_among_the_runs(tmp_path: Path) -> None:
    shutil.copytree(STORED, tmp_path / "old")
    result = result_of(RunFolder.open(tmp_path / "old").state())
    assert result["schema"] == 1
    assert result["final"]["report"] == pytest.approx(0.9907, abs=1e-4)
    (summary,) = list_runs(tmp_path)
    assert (summary.status, summary.model) == ("met", "digits.keras")
    api.report(tmp_path / "old")
    assert (tmp_path / "old" / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_that_a_stored_old_run_goes_on_from_where_it_is_torn(tmp_path: Path) -> None:
    run = tmp_path / "old"
    shutil.copytree(STORED, run)
    for name in ("checkpoints", "exports"):
        (run / name).mkdir()
    job = json.loads((run / JOB).read_text())
    (run / JOB).write_text(json.dumps({**job, "model": str(sample_model_path())}))
    lines = (run / JOURNAL).read_text().splitlines(keepends=True)
    third = [n for n, line in enumerate(lines) if '"event":"TrialDone"' in line][2]
    (run / JOURNAL).write_text("".join(lines[: third + 1]) + lines[third + 1][:40])
    known = RunFolder.open(run).state().trials
    result = api.resume(run)
    assert result["status"] == "met"
    assert [t["seconds"] for t in result["trials"][:3]] == [t.seconds for t in known]
