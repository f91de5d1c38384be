"""The model as opened against a checkpoint of its run: figures side by side, layers one by one.

Pure functions of a :class:`engine.runstate.RunState`; what was not measured says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.events import ControlMeasured, Latency, LayerState, Sizes, TrialDone
from engine.runstate import RunState
from engine.telling import sentences, units

CONTROLS = {"dense_fine_tuned": "As opened, fine-tuned", "dense_int8": "As opened, 8-bit"}
"""Models that stand beside the result, by the engine's name."""

Kind = Literal["same", "changed", "zeroed", "removed", "added"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A table: heads of the columns, then rows that begin with their name."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDiff:
    """One layer before and after; a side is None where the layer is not there."""

    name: str
    before: LayerState | None
    after: LayerState | None

    @property
    def kind(self) -> Kind:
        """What became of the layer."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        if _shown(self.before) == _shown(self.after):
            return "same"
        return "zeroed" if self.before.params == self.after.params else "changed"

    @property
    def layer(self) -> LayerState:
        """The layer after, or before where it is gone."""
        found = self.after or self.before
        if found is None:
            raise ValueError(f"a layer on neither side: {self.name}")
        return found


def comparable(state: RunState) -> tuple[TrialDone, ...]:
    """The fine-tunes that can be compared, and what was swept of them, the newest first."""
    found = [t for t in state.trials if t.layers and t.judged and t.step != "quantize"]
    return tuple(sorted(found, key=lambda t: t.trial, reverse=True))


def layer_diffs(
    before: tuple[LayerState, ...], after: tuple[LayerState, ...]
) -> tuple[LayerDiff, ...]:
    """Layer by layer, in the order of the model as opened; added ones at the end."""
    now = {s.name: s for s in after}
    known = {s.name for s in before}
    pairs = [LayerDiff(name=s.name, before=s, after=now.get(s.name)) for s in before]
    return (
        *pairs,
        *(LayerDiff(name=s.name, before=None, after=s) for s in after if s.name not in known),
    )


def figures(state: RunState, trial: TrialDone) -> Figures:
    """Accuracy, sizes and latency of the baseline, a trial, and the controls that were measured."""
    base, report = state.baseline, state.report
    ends = trial.trial == (state.best if report is None else report.trial)
    final = report is not None and ends
    latencies = state.latencies
    metric = None if base is None else base.metric
    controls = [c for c in state.controls if c.name in CONTROLS]
    sides: list[_Side] = [
        _Side(
            head="As opened",
            search=None if base is None else base.value,
            report=None if report is None else report.baseline,
            sizes=None if base is None else base.sizes,
            latency=None if latencies is None else latencies.baseline,
        ),
        _Side(
            head=sentences.trial_name(trial.kind, trial.trial),
            search=trial.value,
            report=report.final if report is not None and final else None,
            sizes=trial.sizes,
            latency=latencies.final if latencies is not None and ends else None,
        ),
        *(_of_control(control) for control in controls),
    ]
    name = units.metric_name(metric).capitalize()
    rows = [
        (f"{name}, search split", *(units.metric_value(s.search, metric) for s in sides)),
        (f"{name}, report split", *(units.metric_value(s.report, metric) for s in sides)),
        ("Parameters", *(units.count(_figure(s, "params")) for s in sides)),
        ("Non-zero", *(units.count(_figure(s, "nonzero")) for s in sides)),
        ("Multiply-adds", *(units.short_count(_figure(s, "macs")) for s in sides)),
        *(
            (text, *(units.size(_figure(s, f"{key}_bytes")) for s in sides))
            for key, text in _FILES
            if any(_figure(s, f"{key}_bytes") is not None for s in sides)
        ),
        ("Latency", *(_latency(s.latency) for s in sides)),
    ]
    return Figures(heads=("", *(s.head for s in sides)), rows=tuple(rows))


_FILES = (
    ("keras", "Keras file"),
    ("tflite", "TFLite"),
    ("tflite_gzip", "TFLite after gzip"),
    ("tflite_int8", "8-bit TFLite"),
    ("tflite_int8_gzip", "8-bit TFLite after gzip"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    head: str
    search: float | None
    report: float | None
    sizes: Sizes | None
    latency: Latency | None


def _of_control(control: ControlMeasured) -> _Side:
    return _Side(
        head=CONTROLS[control.name],
        search=control.search,
        report=control.report,
        sizes=control.sizes,
        latency=None if control.sizes is None else control.sizes.latency_ms,
    )


def _figure(side: _Side, name: str) -> float | None:
    value: float | None = None if side.sizes is None else getattr(side.sizes, name)
    return value


def _latency(latency: Latency | None) -> str:
    if latency is None:
        return units.NOT_MEASURED
    return f"{latency.median:.3g}{units.NBSP}ms"


def _shown(layer: LayerState) -> tuple[object, ...]:
    return layer.class_name, layer.channels_kept, layer.params, layer.macs, layer.zeros
