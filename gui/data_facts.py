"""What ``secateur evaluate --json`` says of the data, as the event that a search tells. No Qt."""

from __future__ import annotations

from typing import Any

from engine.events import DataOpened
from gui.wishes import Baseline


def found_in(answer: dict[str, Any], source: str) -> DataOpened | None:
    """The data as measured; None where the answer does not tell of them."""
    parts = answer.get("parts")
    if not isinstance(parts, dict):
        return None
    order = answer.get("label_order")
    return DataOpened(
        source=source,
        train=int(parts["train"]), search=int(parts["search"]), report=int(parts["report"]),
        classes=tuple(map(str, answer["classes"])),
        task=str(answer["task"]),
        preprocess=str(answer["preprocess"]),
        preprocess_values={str(k): float(v) for k, v in answer["preprocess_values"].items()},
        seen=str(answer["seen"]),
        notes=tuple(map(str, answer["notes"])),
        near_ties=tuple(map(str, answer["near_ties"])),
        label_order=None if order is None else tuple(map(int, order)),
        counts=tuple(tuple(map(int, row)) for row in answer["counts"]),
    )  # fmt: skip


def baseline_in(answer: dict[str, Any]) -> Baseline | None:
    """The baseline as measured; None where there is no number."""
    value, interval = answer.get("value"), answer.get("interval")
    if not isinstance(value, int | float):
        return None
    both = isinstance(interval, list) and all(isinstance(end, int | float) for end in interval)
    return Baseline(
        metric=str(answer.get("metric")),
        value=float(value),
        samples=int(answer.get("samples") or 0),
        sample_s=_sample_s(answer),
        interval=(float(interval[0]), float(interval[1])) if both and interval else None,
        others=tuple(
            (str(name), float(other))
            for name, other in (answer.get("metrics") or {}).items()
            if name != answer.get("metric")
        ),
    )


def _sample_s(answer: dict[str, Any]) -> float | None:
    seconds, samples = answer.get("seconds"), answer.get("samples")
    return float(seconds) / samples if seconds and samples else None
