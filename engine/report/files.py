"""The saved files in a report: how large, how good, how fast, beside the uncut model's.

Owns the tables of exports, from the JSON of ``secateur export``, and :class:`Table` itself. Paths
are shown by their last part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from engine import events as ev
from engine.telling import units

Pairs = tuple[tuple[str, str], ...]
DASH = "\u2013"
_UNCUT = (("dense_float32", "float32"), ("dense_int8", "int8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under a head; the first ``words`` columns are words, the others numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def export_table(exports: Sequence[Mapping[str, Any]]) -> Table:
    """Size, accuracy of the file itself and latency over all exports, the uncut model's last."""
    rows = []
    uncut: dict[str, Mapping[str, Any]] = {}
    for found in exports:
        checks = found.get("checks") or {}
        beside = found.get("beside") or {}
        uncut |= beside
        own = checks.get("latency_ms")
        rows.append(
            (
                PurePath(str(found.get("path") or "")).name, export_kind(found),
                units.size(found.get("bytes")), units.size(found.get("gzip_bytes")),
                units.metric_value(checks.get("value"), checks.get("metric")),
                units.percent(checks.get("agreement")),
                DASH if own is None else latency_words(own),
                *(_faster(own, beside.get(name)) for name, _ in _UNCUT),
            )
        )  # fmt: skip
    for name, words in _UNCUT:
        if name in uncut:
            found = uncut[name]
            rows.append(
                (
                    "not kept", f"the uncut model, TFLite, {words}",
                    units.size(found.get("bytes")), units.size(found.get("gzip_bytes")),
                    DASH, DASH, latency_words(found.get("latency_ms")), DASH, DASH,
                )
            )  # fmt: skip
    head = ("File", "Kind", "Size", "As gzip", "On the search split", "Same answer",
            "Latency, median (p90)", "Times faster than uncut float32",
            "Times faster than uncut int8")  # fmt: skip
    return Table(head=head, rows=tuple(rows), words=2)


def newest_exports(exports: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The exports without those that a later one took the place of."""
    return tuple({str(found.get("path")): found for found in exports}.values())


def export_kind(found: Mapping[str, Any]) -> str:
    """Format, numbers and encoding of an export."""
    names = {"tflite": "TFLite", "savedmodel": "SavedModel", "keras": "Keras 3", "h5": "HDF5"}
    numbers = {"none": "float32", "float16": "float16", "dynamic": "8-bit weights", "int8": "int8"}
    to = str(found.get("format") or "tflite")
    words = [names.get(to, to)]
    if to == "tflite":
        words.append(numbers.get(str(found.get("quantize")), str(found.get("quantize"))))
    if found.get("sparse"):
        words.append("zeros encoded")
    cluster = found.get("cluster")
    if isinstance(cluster, Mapping):
        words.append(f"{cluster.get('values')} values a kernel")
    return ", ".join(words)


def export_lines(exports: Sequence[Mapping[str, Any]]) -> Pairs:
    """Where exports run and of which operators they are made; alike ones in one line."""
    lines: dict[str, list[str]] = {}
    for found in exports:
        words = [str(found.get("runs_on") or "")]
        ops = found.get("ops")
        if isinstance(ops, Mapping) and ops:
            counted = ", ".join(f"{n}{units.NBSP}\u00d7{units.NBSP}{k}" for k, n in ops.items())
            words.append(f"Operators: {counted}.")
        words += [str(note) for note in found.get("notes") or ()]
        name = PurePath(str(found.get("path") or "")).name
        lines.setdefault(" ".join(words).strip(), []).append(name)
    return tuple((", ".join(names), words) for words, names in lines.items())


def latency_words(latency: ev.Latency | Mapping[str, Any] | None) -> str:
    """Median and 90th percentile in milliseconds."""
    if latency is None:
        return units.NOT_MEASURED
    if isinstance(latency, ev.Latency):
        return f"{latency.median:.3g} ({latency.p90:.3g}){units.NBSP}ms"
    median, p90 = latency.get("median"), latency.get("p90")
    if not isinstance(median, int | float) or not isinstance(p90, int | float):
        return units.NOT_MEASURED
    return f"{median:.3g} ({p90:.3g}){units.NBSP}ms"


def _faster(own: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str:
    """How many times faster a file is than another that took turns with it."""
    if own is None or other is None:
        return DASH
    return units.times(other["latency_ms"]["median"], own["median"]) or DASH
