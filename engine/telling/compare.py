"""The model as opened against a checkpoint of its run: figures side by side, layers one by one.

Pure functions of a :class:`engine.runstate.RunState`; what was not measured says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.comparison import Comparison, Latencies
from engine.events import ControlMeasured, Latency, LayerState, Sizes, TrialDone
from engine.runstate import RunState
from engine.telling import sentences, units
from engine.telling.changes import milliseconds

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
    """The fine-tunes that can be compared, and what was swept or rounded, the newest first."""
    found = [t for t in state.trials if t.layers and t.judged and not t.as_file]
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


def figures(state: RunState, trial: TrialDone, timed: Latencies | None = None) -> Figures:
    """Accuracy, sizes and latency of the baseline, a trial, and the controls that were measured.

    Parameters
    ----------
    timed
        Times of the baseline and this trial that were taken after the run.
    """
    base, report = state.baseline, state.report
    ends = trial.trial == (state.best if report is None else report.trial)
    final = report is not None and ends
    if timed is None and state.latencies is not None:
        ended = state.latencies.final if ends else None
        timed = Latencies(before=state.latencies.baseline, after=ended)
    timed = timed or Latencies()
    metric = None if base is None else base.metric
    controls = [c for c in state.controls if c.name in CONTROLS]
    sides: list[_Side] = [
        _Side(
            head="As opened",
            search=None if base is None else base.value,
            report=None if report is None else report.baseline,
            sizes=_sizes(None if base is None else base.sizes),
            latency=timed.before,
        ),
        _Side(
            head=sentences.trial_name(trial),
            search=trial.value,
            report=report.final if report is not None and final else None,
            sizes=_sizes(trial.sizes),
            latency=timed.after,
        ),
        *(
            _of_control(control, None if base is None else base.sizes, timed)
            for control in controls
        ),
    ]
    name = units.metric_head(metric)
    rows = [
        (f"{name}, search split", *(units.metric_value(s.search, metric) for s in sides)),
        (f"{name}, report split", *(units.metric_value(s.report, metric) for s in sides)),
        ("Parameters", *(units.count(s.sizes.get("params")) for s in sides)),
        ("Non-zero", *(units.count(s.sizes.get("nonzero")) for s in sides)),
        ("Multiply-adds", *(units.short_count(s.sizes.get("macs")) for s in sides)),
        *(
            (text, *(units.size(s.sizes.get(f"{key}_bytes")) for s in sides))
            for key, text in _FILES
            if any(s.sizes.get(f"{key}_bytes") is not None for s in sides)
        ),
        ("Latency", *(milliseconds(s.latency) for s in sides)),
    ]
    return Figures(heads=("", *(s.head for s in sides)), rows=tuple(rows))


def timed_of(found: Comparison) -> Latencies | None:
    """The times of a comparison, None where there are none."""
    return None if found.latency_ms.before is None else found.latency_ms


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
    sizes: dict[str, float | None]
    latency: Latency | None


_SAME = {
    "dense_fine_tuned": ("params", "macs", "tflite_bytes"),
    "dense_int8": ("params", "macs", "tflite_int8_bytes", "tflite_int8_gzip_bytes"),
}
"""What a control has in common with the model as opened: it has the same layers."""


def _of_control(control: ControlMeasured, opened: Sizes | None, timed: Latencies) -> _Side:
    name = control.name
    known = {key: value for key, value in _sizes(opened).items() if key in _SAME[name]}
    own = None if control.sizes is None else control.sizes.latency_ms
    return _Side(
        head=CONTROLS[name],
        search=control.search,
        report=control.report,
        sizes=known if control.sizes is None else _sizes(control.sizes),
        latency=own or (timed.before_int8 if name == "dense_int8" else None),
    )


def _sizes(sizes: Sizes | None) -> dict[str, float | None]:
    if sizes is None:
        return {}
    names = ("params", "nonzero", "macs", *(f"{key}_bytes" for key, _ in _FILES))
    return {name: getattr(sizes, name) for name in names}


def _shown(layer: LayerState) -> tuple[object, ...]:
    return layer.class_name, layer.channels_kept, layer.params, layer.macs, layer.zeros
