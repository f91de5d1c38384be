"""How a run ended, in figures and sentences: what you now hold, what it cost.

Pure functions of a :class:`engine.runstate.RunState`.
"""

from __future__ import annotations

from engine.runstate import RunState
from engine.telling import sentences, units


def end_numbers(state: RunState) -> tuple[tuple[str, str], ...]:
    """What the person now holds and what it cost, as figures."""
    base, best, report = state.baseline, state.best_trial, state.report
    before = None if base is None else base.sizes
    after = None if best is None else best.sizes
    metric = None if base is None else base.metric
    pairs: list[tuple[str, str]] = []
    if after is not None and before is not None:
        pairs.append(("Non-zero parameters", _change(before.nonzero, after.nonzero, count=True)))
        pairs.append(
            ("TFLite after gzip", _change(before.tflite_gzip_bytes, after.tflite_gzip_bytes))
        )
        if before.macs and after.macs:
            pairs.append(("Multiply-adds", _change(before.macs, after.macs, count=True)))
    name = units.metric_head(metric)
    if report is not None:
        now = units.metric_value(report.final, metric)
        pairs.append((f"{name}, report split", now))
        change = report.drop if units.is_error(metric) else -report.drop
        pairs.append(("Change", units.metric_difference(change, metric, signed=True)))
    elif best is not None and base is not None:
        pairs.append((f"{name}, search split", units.metric_value(best.value, metric)))
    return tuple(pairs)


def end_words(state: RunState) -> str:
    """Verdict, interval and cost in sentences."""
    metric = None if state.baseline is None else state.baseline.metric
    report = state.report
    words = []
    if report is not None:
        words.append(sentences.report_verdict(report, metric))
        words.append(
            f"On {units.plural(report.samples, 'report sample')}:"
            f" {units.metric_value(report.baseline, metric)} before,"
            f" {units.metric_value(report.final, metric)} now"
            f" (95 % interval {units.interval(*report.final_interval, metric)});"
            f" {drop_word(metric)} {units.metric_difference(report.drop, metric)}"
            f" ({drop_interval(report.drop_interval, metric)})."
        )
    elif state.status in ("stopped", "failed"):
        words.append("The report split was not read, so these figures are of the search split.")
    words.append(cost_words(state))
    return " ".join(w for w in words if w)


def beside_words(state: RunState) -> str:
    """The other metrics of the task on the report split in one sentence, "" without any."""
    others = {} if state.report is None else state.report.others
    said = [
        f"{units.metric_name(name)} {units.metric_value(before, name)} before,"
        f" {units.metric_value(after, name)} now"
        for name, (before, after) in others.items()
    ]
    return f"Beside it: {'; '.join(said)}." if said else ""


def drop_word(metric: str | None) -> str:
    """What a change for the worse is called."""
    return "rise" if units.is_error(metric) else "drop"


def drop_interval(interval: tuple[float, float], metric: str | None) -> str:
    """An interval of a drop: "\u22120.2 to 1.4 points"."""
    low, high = interval
    if not units.is_share(metric):
        return f"{units.number(low)} to {units.number(high)}"
    text = f"{low * 100:.1f} to {high * 100:.1f}{units.NBSP}points"
    return text.replace("-", "\u2212")


def cost_words(state: RunState) -> str:
    """What a run cost."""
    tunes = [t for t in state.trials if t.kind == "fine_tune"]
    epochs = sum(t.epochs for t in tunes)
    seconds = state.ended.seconds if state.ended is not None else None
    time = f" in {units.duration(seconds)}" if seconds is not None else ""
    return (
        f"It took {units.plural(len(tunes), 'fine-tune')} ({units.plural(epochs, 'epoch')}) and"
        f" {units.plural(state.probes, 'probe')}{time}."
    )


def _change(before: float | None, after: float | None, *, count: bool = False) -> str:
    text = units.short_count if count else units.size
    if after is None:
        return units.NOT_MEASURED
    if before is None:
        return text(after)
    ratio = units.times(before, after)
    return f"{text(before)} \u2192 {text(after)}" + (f"  ({ratio})" if ratio else "")
