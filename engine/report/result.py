"""``result.json``: what a run came to, made from its events alone.

A pure function of :class:`engine.runstate.RunState`, so that the engine, a supervisor whose engine
was killed, and an old run all give the same answer. Keys are pinned: added, never renamed.
"""

from __future__ import annotations

from typing import Any

from engine import events as ev
from engine import jsonio
from engine.runstate import RunState

SCHEMA = 1


def result_of(state: RunState) -> dict[str, Any]:
    """The content of ``result.json``; what was not measured is None."""
    base, report, data, job = state.baseline, state.report, state.data, state.job
    best = state.best_trial
    return {
        "schema": SCHEMA,
        "status": _status(state),
        "confirmed": None if report is None else report.confirmed,
        "samples_needed": None if report is None else report.samples_needed,
        "report_reads": state.report_reads,
        "metric": None if base is None else base.metric,
        "target": None if base is None else base.target,
        "target_from": None if base is None else base.target_from,
        "tolerance": None if job is None else job.goal.tolerance,
        "floor": None if base is None else base.floor,
        "report_floor": None if report is None else report.floor,
        "drop": _drop(report),
        "seen": None if data is None else data.seen,
        "baseline": _baseline(state),
        "final": _final(state, best),
        "controls": {
            name: _control(next((c for c in state.controls if c.name == name), None))
            for name in ("dense_fine_tuned", "dense_int8")
        },
        "trials": [_trial(t) for t in sorted(state.trials, key=lambda t: t.trial)],
        "cost": _cost(state),
        "layers": jsonio.to_plain(state.layers),
        "model": None
        if state.model is None
        else {
            "name": state.model.name,
            "format": state.model.format,
            "sha256": state.model.sha256,
        },
        "best_trial": state.best,
        "exports": [e.result for e in state.exports],
        "device": state.device,
        "seed": None if job is None else job.seed,
        "strategy": None if job is None else job.strategy,
        "versions": state.versions,
        "data_sha256": None if data is None else data.sha256,
        "preprocess": None if data is None else data.preprocess,
        "splits": None
        if data is None
        else {"train": data.train, "search": data.search, "report": data.report},
        "split_sha256": None
        if data is None or not data.split_sha256
        else dict(zip(("train", "search", "report"), data.split_sha256, strict=True)),
    }


def _status(state: RunState) -> str:
    if state.report is not None:
        return "met" if state.report.met else "not_met"
    return "not_met" if state.status == "not_met" else "stopped"


def _drop(report: ev.ReportMeasured | None) -> dict[str, Any] | None:
    if report is None:
        return None
    return {
        "value": report.drop,
        "interval": list(report.drop_interval),
        "level": report.level,
        "method": report.method,
    }


def _figures(sizes: ev.Sizes | None, latency: ev.Latency | None = None) -> dict[str, Any]:
    names = ("keras", "tflite", "tflite_gzip", "tflite_int8", "tflite_int8_gzip")
    return {
        "params": None if sizes is None else sizes.params,
        "nonzero": None if sizes is None else sizes.nonzero,
        "macs": None if sizes is None else sizes.macs,
        "bytes": {n: None if sizes is None else getattr(sizes, f"{n}_bytes") for n in names},
        "latency_ms": jsonio.to_plain(latency),
    }


def _baseline(state: RunState) -> dict[str, Any]:
    base, report = state.baseline, state.report
    return {
        "search": None if base is None else base.value,
        "report": None if report is None else report.baseline,
        "interval": None if report is None else list(report.baseline_interval),
        "metrics": _metrics(state, 0),
        **_figures(
            None if base is None else base.sizes,
            None if state.latencies is None else state.latencies.baseline,
        ),
    }


def _final(state: RunState, best: ev.TrialDone | None) -> dict[str, Any]:
    """Figures of the model that the run ends with: the best trial, or the baseline itself."""
    base, report = state.baseline, state.report
    sizes = best.sizes if best is not None else None if base is None else base.sizes
    search = best.value if best is not None else None if base is None else base.value
    return {
        "search": search,
        "report": None if report is None else report.final,
        "interval": None if report is None else list(report.final_interval),
        "metrics": _metrics(state, 1),
        **_figures(sizes, None if state.latencies is None else state.latencies.final),
    }


def _metrics(state: RunState, side: int) -> dict[str, float] | None:
    """Every metric of the task on the report split, before (0) or after (1)."""
    base, report = state.baseline, state.report
    if base is None or report is None:
        return None
    own = (report.baseline, report.final)[side]
    return {base.metric: own} | {name: both[side] for name, both in report.others.items()}


def _control(control: ev.ControlMeasured | None) -> dict[str, Any] | None:
    if control is None:
        return None
    return {
        "search": control.search,
        "report": control.report,
        "epochs": control.epochs,
        "interval": None if control.interval is None else list(control.interval),
        **_figures(control.sizes),
    }


def _trial(trial: ev.TrialDone) -> dict[str, Any]:
    return {
        "id": trial.trial,
        "kind": trial.kind,
        "step": trial.step,
        "keep": trial.keep,
        "sparsity": trial.sparsity,
        "weight_values": trial.weight_values,
        "trimmed": trial.trimmed,
        "value": trial.value,
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        "judged": trial.judged,
        "accepted": trial.accepted,
        "why": {"code": trial.why.code, "numbers": trial.why.numbers},
        "params": None if trial.sizes is None else trial.sizes.params,
        "nonzero": None if trial.sizes is None else trial.sizes.nonzero,
        "macs": None if trial.sizes is None else trial.sizes.macs,
        "checkpoint": trial.checkpoint,
    }


def _cost(state: RunState) -> dict[str, Any]:
    tunes = [t for t in state.trials if t.kind == "fine_tune"]
    seconds = sum(t.seconds for t in state.trials)
    if state.ended is not None and state.ended.seconds is not None:
        seconds = state.ended.seconds
    return {
        "probes": sum(t.kind == "probe" for t in state.trials),
        "fine_tunes": len(tunes),
        "epochs": sum(t.epochs for t in tunes),
        "seconds": seconds,
    }
