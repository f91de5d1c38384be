"""What pruning changed on labelled samples, in words: of a :class:`engine.comparison.Comparison`.

Pure functions for the command line and the window.
"""

from __future__ import annotations

from collections import Counter

from engine.comparison import ByClass, Comparison
from engine.events import Latency
from engine.telling import units
from engine.telling.ending import drop_interval

FIGURES = {"accuracy": "accuracy", "f1": "macro_f1", "iou": "iou"}
"""The metric in whose unit the figure of a class is told."""

CHANGES = {"worse": "got worse", "better": "got better", "other": "wrong in another way"}


def changes_lines(found: Comparison) -> tuple[str, ...]:
    """The comparison in sentences."""
    lines = [headline(found)]
    if found.answers is not None:
        lines.append(flips_sentence(found))
    lines += [*latency_sentences(found), *found.notes]
    return tuple(lines)


def headline(found: Comparison) -> str:
    """The metric before and after."""
    metric = found.metric
    before, after = (units.metric_value(m.value, metric) for m in (found.before, found.after))
    return (
        f"{units.metric_head(metric)} {before} as opened, {after} after trial"
        f" {found.trial}, on {units.plural(found.samples, 'search sample')}:"
        f" {units.metric_difference(found.drop.value, metric)} lost"
        f" ({drop_interval(found.drop.interval, metric)})."
    )


def flips_sentence(found: Comparison) -> str:
    """How many answers changed, and how."""
    told = found.answers
    if told is None:
        return ""
    flipped = told.flipped()
    if not flipped:
        return "No answer changed."
    kinds = Counter[str | None](told.change(sample) for sample in flipped)
    parts = [f"{kinds[kind]:,} {text}" for kind, text in CHANGES.items() if kinds[kind]]
    return f"{units.plural(len(flipped), 'answer')} changed: {', '.join(parts)}."


def latency_sentences(found: Comparison) -> tuple[str, ...]:
    """The times, where they were measured."""
    times = found.latency_ms
    if times.before is None or times.after is None:
        return ()
    text = f"Latency {milliseconds(times.before)} as opened, {milliseconds(times.after)} after"
    if times.before_int8 is not None:
        text += f"; {milliseconds(times.before_int8)} as opened in 8 bits"
    runs, threads = times.before.runs, units.plural(times.before.threads, "thread")
    return (f"{text} (median of {runs} runs, one sample, {threads}).",)


def milliseconds(latency: Latency | None) -> str:
    """The median of a latency."""
    return units.NOT_MEASURED if latency is None else f"{latency.median:.3g}{units.NBSP}ms"


def changes_table(found: Comparison) -> tuple[tuple[str, ...], ...]:
    """A head and a row for each class; nothing where there are no classes."""
    if found.figure is None:
        return ()
    metric = FIGURES[found.figure]
    of = "pixels" if found.task.endswith("segmentation") else "samples"
    head = (f"{units.metric_name(metric)} of", of, "as opened", "after", "change")
    rows = (
        (
            one.name,
            f"{one.count:,}",
            units.metric_value(one.before, metric),
            units.metric_value(one.after, metric),
            units.metric_difference(change_of(one), metric, signed=True),
        )
        for one in found.classes
    )
    return (head, *rows)


def change_of(one: ByClass) -> float | None:
    """By how much the figure of a class changed; None where it is not known."""
    if one.before is None or one.after is None:
        return None
    return one.after - one.before
