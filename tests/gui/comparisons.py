"""A comparison as the engine keeps it, small and made up: the material of the window's tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from engine import jsonio
from engine.comparison import (
    Answers,
    ByClass,
    Comparison,
    Confusion,
    Latencies,
    Measured,
    Thumbnails,
    place_of,
    stamp_of,
)
from engine.events import Latency
from engine.runs import RunFolder

NAMES = ("T-shirt", "Coat", "Bag")
LABEL = (0, 0, 1, 1, 2, 2)
BEFORE = (0, 1, 1, 0, 2, 1)
AFTER = (1, 0, 1, 2, 2, -1)
"""Worse, better, the same, wrong in another way, the same, wrong in another way."""

SIDE = 12


def matrix(answers: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Counts by true and answered class."""
    pairs = list(zip(LABEL, answers, strict=True))
    return tuple(tuple(pairs.count((true, found)) for found in range(3)) for true in range(3))


def latency(median: float) -> Latency:
    """A time."""
    return Latency(median=median, p90=median, runs=50, threads=2)


def comparison(trial: int = 10) -> Comparison:
    """Six samples of three classes."""
    return Comparison(
        trial=trial, metric="accuracy", task="classification", samples=6,
        before=Measured(value=0.5, interval=(0.2, 0.8)),
        after=Measured(value=0.5, interval=(0.2, 0.8)),
        drop=Measured(value=0.0, interval=(-0.1, 0.1)),
        figure="accuracy",
        classes=tuple(
            ByClass(name=name, count=2, before=0.5, after=after)
            for name, after in zip(NAMES, (0.5, 0.75, None), strict=True)
        ),
        confusion=Confusion(before=matrix(BEFORE), after=matrix(AFTER)),
        answers=Answers(
            label=LABEL, before=BEFORE, after=AFTER,
            confidence_before=(0.9,) * 6, confidence_after=(0.6,) * 5 + (None,),
        ),
        thumbnails=Thumbnails(
            file=f"trial-{trial:03d}.png", cell_px=SIDE, columns=2, samples=(0, 1, 3, 4, 5)
        ),
        latency_ms=Latencies(
            before=latency(2.5), after=latency(0.8), before_int8=latency(1.2)
        ),
    )  # fmt: skip


def keep(run: Path, found: Comparison, *, stamp: str | None = None) -> Path:
    """Put a comparison and its sheet of thumbnails where the engine does."""
    from dataclasses import replace

    checkpoint = run / "checkpoints" / f"trial-{found.trial:03d}.keras"
    stamp = stamp_of(RunFolder.open(run).job(), checkpoint) if stamp is None else stamp
    place = place_of(run, found.trial)
    place.parent.mkdir(exist_ok=True)
    pixels = np.zeros((3 * SIDE, 2 * SIDE, 3), np.uint8)
    for cell in range(5):
        row, column = divmod(cell, 2)
        pixels[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = 40 * (cell + 1)
    Image.fromarray(pixels).save(place.with_suffix(".png"))
    jsonio.write_json(place, replace(found, stamp=stamp))
    return place
