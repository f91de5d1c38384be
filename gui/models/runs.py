"""The list of runs as a Qt table model, and its CSV, which is that of ``secateur runs --csv``.

Owns how a :class:`engine.runs.RunSummary` becomes cells. It knows nothing of widgets or of disks.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import astuple, fields

from PySide6.QtCore import QObject

from engine.runs import RunSummary
from engine.telling import sentences, units
from gui.models.rows import NONE, Column, RowsModel, csv_of


def status_words(run: RunSummary) -> str:
    """How a run stands, in words."""
    return sentences.STATUSES.get(run.status, run.status)


def _started(run: RunSummary) -> str:
    if run.started_at is None:
        return NONE
    return datetime.datetime.fromtimestamp(run.started_at).strftime("%Y-%m-%d %H:%M")


def _smaller(run: RunSummary) -> float:
    return (run.params_before or 0) / run.nonzero_after if run.nonzero_after else 0.0


def _value(run: RunSummary, value: float | None) -> str:
    return NONE if value is None else units.metric_value(value, run.metric)


COLUMNS: tuple[Column[RunSummary], ...] = (
    Column(
        head="Run", text=lambda r: r.name, key=lambda r: r.name.lower(),
        tip="Name of the run's folder", number=False,
    ),
    Column(
        head="Model", text=lambda r: r.model or NONE, key=lambda r: r.model.lower(),
        tip="File of the model that was opened", number=False,
    ),
    Column(
        head="Started", text=_started, key=lambda r: r.started_at or 0.0,
        tip="When the search was started", number=False,
    ),
    Column(
        head="Metric", text=lambda r: units.metric_name(r.metric) if r.metric else NONE,
        key=lambda r: r.metric or "", tip="What the run is judged by", number=False,
    ),
    Column(
        head="Before", text=lambda r: _value(r, r.baseline), key=lambda r: r.baseline or 0.0,
        tip="The model as it was opened, on the search split",
    ),
    Column(
        head="After", text=lambda r: _value(r, r.value), key=lambda r: r.value or 0.0,
        tip="The best model, on the search split",
    ),
    Column(
        head="Parameters left",
        text=lambda r: NONE if r.nonzero_after is None else units.short_count(r.nonzero_after),
        key=lambda r: float(r.nonzero_after or 0), tip="Parameters that are not zero",
    ),
    Column(
        head="Smaller", text=lambda r: units.times(r.params_before, r.nonzero_after) or NONE,
        key=_smaller, tip="Parameters before over those left",
    ),
    Column(
        head="Status", text=status_words, key=lambda r: status_words(r).lower(),
        tip="How the run stands", number=False,
    ),
)  # fmt: skip


class RunsModel(RowsModel[RunSummary]):
    """One row a run."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent)


def csv_text(runs: Sequence[RunSummary]) -> str:
    """Runs as CSV with plain numbers."""
    return csv_of([f.name for f in fields(RunSummary)], [astuple(run) for run in runs])
