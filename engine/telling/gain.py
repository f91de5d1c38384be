"""What pruning can gain, in words: pure functions of the JSON of ``secateur preflight``."""

from __future__ import annotations

from typing import Any

from engine.telling import units


def gain_lines(answer: dict[str, Any]) -> tuple[str, ...]:
    """Whether pruning will help, in sentences."""
    groups = int(answer["groups"])
    pinned = int(answer["groups_pinned"])
    share = float(answer["params_removable"])
    cuttable = groups - pinned
    if not cuttable:
        return (
            "No channel of this model can be removed, so pruning cannot make it faster.",
            str(answer["sparse_speed"]["sentence"]),
        )
    widths = answer["widths"]
    half = next((w for w in widths if w["keep"] == 0.5), widths[-1])
    faster = _ratio(widths[0], half, "latency_ms")
    macs = answer["macs_removable"]
    worth = "" if macs is None else f" and {units.percent(macs)} of the multiply-adds"
    verb = "is" if cuttable == 1 else "are"
    speed = "not faster" if faster < 1.05 else f"{faster:.1f}\u00d7 faster"
    lines = [
        f"{cuttable} of {units.plural(groups, 'channel group')} {verb} removable: at most"
        f" {units.percent(share)} of the parameters{worth}; of the time"
        f" {units.percent(float(answer['time_removable']), 0)} at the narrowest copy measured.",
        f"With {units.percent(half['keep'], 0)} of the channels it is"
        f" {_size_ratio(widths[0], half)} smaller and"
        f" {speed} on this computer."
        if half is not widths[0]
        else "",
        str(answer["sparse_speed"]["sentence"]),
        "Sizes and times are those of copies cut at random; how much can go at what accuracy only"
        " a search can say.",
    ]
    return tuple(line for line in lines if line)


def gain_table(answer: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    """A head and a row for each keep ratio that was measured."""
    head = ("channels kept", "parameters", "TFLite", "as gzip", "int8", "latency", "int8 latency")
    rows = [
        (
            units.percent(width["keep"], 0),
            units.count(width["params"]),
            units.size(width["sizes"]["tflite_bytes"]),
            units.size(width["sizes"]["tflite_gzip_bytes"]),
            units.size(width["sizes"]["tflite_int8_bytes"]),
            _ms(width["latency_ms"]),
            _ms(width["latency_int8_ms"]),
        )
        for width in answer["widths"]
    ]
    return (head, *rows)


def _ms(latency: dict[str, Any] | None) -> str:
    return units.NOT_MEASURED if latency is None else f"{latency['median']:.3g}{units.NBSP}ms"


def _ratio(before: dict[str, Any], after: dict[str, Any], key: str) -> float:
    return float(before[key]["median"]) / max(float(after[key]["median"]), 1e-9)


def _size_ratio(before: dict[str, Any], after: dict[str, Any]) -> str:
    return units.times(before["sizes"]["tflite_bytes"], after["sizes"]["tflite_bytes"]) or "no"
