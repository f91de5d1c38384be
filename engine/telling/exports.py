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
    same = _number(checks.get("agreement"))
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
        *([] if _numbers(same, metric) else [("Same answer", units.percent(same))]),
        (units.metric_head(metric), value),
        ("Latency", _latency(checks.get("latency_ms"))),
    ]
    beside = answer.get("beside")
    if isinstance(beside, dict) and beside:
        pairs.append(("Uncut model in turn with it", _beside(answer)))
    cluster = answer.get("cluster")
    if isinstance(cluster, dict):
        pairs.append(("Clustered weights", cluster_sentence(cluster, metric)))
    runs_on, notes = answer.get("runs_on"), answer.get("notes")
    if isinstance(runs_on, str) and runs_on:
        pairs.append(("Runs on", runs_on))
    if isinstance(notes, list | tuple) and notes:
        pairs.append(("Notes", "\n".join(str(note) for note in notes)))
    return tuple(pairs)


def _numbers(same: float | None, metric: str | None) -> bool:
    """Whether the answers are numbers, of which none is the same."""
    return same is None and units.is_error(metric)


def export_lines(answer: dict[str, Any]) -> tuple[str, ...]:
    """What an export's JSON says, as sentences for a terminal."""
    checks = answer["checks"]
    metric = checks.get("metric")
    same = checks["agreement"]
    agreed = "" if _numbers(same, metric) else f", same answer {units.percent(same)}"
    lines = [
        f"Saved {answer['path']}: {units.size(answer['bytes'])}; as a download"
        f" {units.size(answer['gzip_bytes'])} (gzip).",
        f"Re-opened in a fresh process and run on {_compared(checks)}: largest difference"
        f" {checks['max_abs_diff']:.2g}{agreed}.",
    ]
    if checks.get("value") is not None:
        lines.append(
            f"{units.metric_head(metric)} of the file"
            f" {units.metric_value(checks['value'], metric)}, of the model it came from"
            f" {units.metric_value(checks['model_value'], metric)}."
        )
    if checks.get("latency_ms") is not None:
        lines.append(latency_sentence(answer))
    cluster = answer.get("cluster")
    if isinstance(cluster, dict):
        lines.append(cluster_sentence(cluster, metric))
    ops = answer.get("ops")
    if isinstance(ops, dict) and ops:
        lines.append(f"Operators: {', '.join(f'{n} {k}' for k, n in ops.items())}.")
    lines.append(str(answer.get("runs_on") or ""))
    return (*lines, *(f"note: {note}" for note in answer.get("notes") or ()))


def latency_sentence(answer: dict[str, Any]) -> str:
    """Latency of a file, and of the uncut model's files that took turns with it."""
    own = answer["checks"]["latency_ms"]
    words = (
        f"Latency at batch 1: median {own['median']:.3g} ms, 90th percentile {own['p90']:.3g} ms,"
        f" {own['runs']} runs, {units.plural(own['threads'], 'thread')}"
    )
    others = _beside(answer)
    return words + (f"; the uncut model in turn with it: {others}." if others else ".")


def _beside(answer: dict[str, Any]) -> str:
    """Latency of the uncut model's files, and how many times longer than this one's."""
    own = answer["checks"]["latency_ms"]
    words = []
    for name, word in (("dense_float32", "float32"), ("dense_int8", "int8")):
        other = (answer.get("beside") or {}).get(name)
        if isinstance(other, dict):
            median = other["latency_ms"]["median"]
            words.append(f"{word} {median:.3g} ms ({units.times(median, own['median'])})")
    return ", ".join(words)


def cluster_sentence(cluster: dict[str, Any], metric: str | None = None) -> str:
    """What clustering did."""
    words = (
        f"At most {cluster['values']} different weights a kernel:"
        f" {units.size(cluster['fixed_bytes'])} with codes of fixed length,"
        f" {units.size(cluster['huffman_bytes'])} with Huffman codes (codebooks and positions"
        " counted)."
    )
    if cluster.get("loss_before") is None:
        return words + " The centroids were not fine-tuned: that takes data."
    if cluster["steps"]:
        words += (
            f" Centroids fine-tuned in {cluster['steps']} steps: training loss"
            f" {cluster['loss_before']:.4g} to {cluster['loss_after']:.4g}."
        )
    else:
        words += " Fine-tuning the centroids did not help; they stay as they were fitted."
    whole = units.metric_value(cluster.get("unclustered_value"), metric)
    return f"{words} Before clustering the model had {whole}."


COPIES = {
    "python": ("Copy Python", "the Python that loads it"),
    "kotlin": ("Copy Kotlin", "the Kotlin that loads it"),
    "benchmark": ("Copy phone timing", "the commands that time it on a phone"),
}
"""Words for each kind of code that goes with an export: on a button, and once it was copied."""


def load_code(answer: dict[str, Any]) -> dict[str, str]:
    """The code that loads an export, by kind as in :data:`COPIES`; empty where there is none."""
    load = answer.get("load")
    if not isinstance(load, dict):
        return {}
    return {kind: str(load[kind]) for kind in COPIES if load.get(kind)}


def _compared(checks: dict[str, Any]) -> str:
    samples = checks.get("samples")
    if not isinstance(samples, int) or samples <= 0:
        return units.NOT_MEASURED
    return units.plural(samples, "random input" if checks.get("live") else "sample")


def _latency(latency: object) -> str:
    median = latency.get("median") if isinstance(latency, dict) else None
    if not isinstance(latency, dict) or not isinstance(median, int | float):
        return units.NOT_MEASURED
    words = f"{median:.3g} ms for one sample on this computer"
    p90, runs, threads = latency.get("p90"), latency.get("runs"), latency.get("threads")
    if not isinstance(p90, int | float) or not isinstance(runs, int):
        return words
    counted = units.plural(int(threads or 1), "thread")
    return f"{words} (median of {runs} runs on {counted}, 90th percentile {p90:.3g} ms)"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
