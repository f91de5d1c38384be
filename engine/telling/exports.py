"""What `secateur export` tells, in words: pure functions of its JSON."""

from __future__ import annotations

from typing import Any

from engine.telling import units


def export_pairs(answer: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """What an export's JSON says, as pairs of name and value."""
    checks = answer.get("checks")
    checks = checks if isinstance(checks, dict) else {}
    metric = checks.get("metric")
    metric = metric if isinstance(metric, str) else None
    difference = _number(checks.get("max_abs_diff"))
    value = units.metric_value(_number(checks.get("value")), metric)
    model_value = _number(checks.get("model_value"))
    if model_value is not None:
        value += f" (the model itself {units.metric_value(model_value, metric)})"
    pairs = [
        ("Saved to", str(answer.get("path") or "")),
        (
            "Size",
            f"{units.size(_number(answer.get('bytes')))},"
            f" {units.size(_number(answer.get('gzip_bytes')))} after gzip",
        ),
        ("Opened in a fresh process", "yes" if checks.get("reloaded") else "no"),
        ("Compared on", _compared(checks)),
        (
            "Largest difference",
            units.NOT_MEASURED if difference is None else f"{difference:.2g}",
        ),
        ("Same answer", units.percent(_number(checks.get("agreement")))),
        (units.metric_name(metric).capitalize(), value),
        ("Latency", _latency(checks.get("latency_ms"))),
    ]
    runs_on, notes = answer.get("runs_on"), answer.get("notes")
    if isinstance(runs_on, str) and runs_on:
        pairs.append(("Runs on", runs_on))
    if isinstance(notes, list | tuple) and notes:
        pairs.append(("Notes", "\n".join(str(note) for note in notes)))
    return tuple(pairs)


def load_code(answer: dict[str, Any]) -> str:
    """The Python that loads an export, empty where the engine gave none."""
    load = answer.get("load")
    return str(load.get("python") or "") if isinstance(load, dict) else ""


def _compared(checks: dict[str, Any]) -> str:
    samples = checks.get("samples")
    if not isinstance(samples, int) or samples <= 0:
        return units.NOT_MEASURED
    return units.plural(samples, "random input" if checks.get("live") else "sample")


def _latency(latency: object) -> str:
    median = latency.get("median") if isinstance(latency, dict) else None
    if not isinstance(median, int | float):
        return units.NOT_MEASURED
    return f"{median:.3g} ms for one sample on this computer"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
