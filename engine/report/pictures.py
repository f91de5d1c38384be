"""The report's two pictures as SVG: the size-accuracy cloud and the layer strip.

Owns their geometry; what they show is :mod:`engine.telling`'s, colours are classes of the style
sheet. Elements are built as a tree, so that a layer's name can never become markup.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from engine.events import LayerState
from engine.runstate import RunState
from engine.telling import units
from engine.telling.cloud import Cloud, Measure, Point, cloud, measure_name, measure_value
from engine.telling.layers import kept_share, shown_layers, zero_share

WIDTH = 960.0
CLOUD_HEIGHT = 400.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 84.0, 16.0, 14.0, 56.0
STRIP_HEIGHT = 118.0
_NAMED = 60.0
"""Width of a slot in which a name and numbers can be read."""

_CHARACTER = 6.6
"""Mean width of a character of the small text, in the picture's units."""


def strip_svg(layers: tuple[LayerState, ...]) -> str:
    """The layer strip; empty where no layer has weights."""
    shown = shown_layers(layers)
    if not shown:
        return ""
    root = _root(WIDTH, STRIP_HEIGHT, f"Layer strip: {units.plural(len(shown), 'layer')}")
    slot = WIDTH / len(shown)
    gap = min(6.0, slot * 0.2)
    height = STRIP_HEIGHT - (48.0 if slot >= _NAMED else 16.0)
    for index, layer in enumerate(shown):
        group = ET.SubElement(root, "g")
        ET.SubElement(group, "title").text = _layer_title(layer)
        left, width = index * slot + gap / 2, slot - gap
        _rect(group, left, 4, width, height, "slot")
        kept = kept_share(layer)
        share = 1.0 if kept is None else min(max(kept, 0.0), 1.0)
        kind = "bar" if layer.prunable else "bar pinned"
        bar = _rect(group, left, 4, max(width * share, 1.5), height, kind)
        bar.set("fill-opacity", f"{1 - 0.8 * (zero_share(layer) or 0.0):.3f}")
        if not layer.prunable:
            _rect(group, left, 8 + height, width, 2, "pin")
        if slot >= _NAMED:
            _layer_words(group, layer, left, width, height)
    return _text_of(root)


def cloud_svg(state: RunState, measure: Measure) -> str:
    """The size-accuracy cloud; empty before the baseline was measured."""
    found = cloud(state, measure)
    if not found.points:
        return ""
    root = _root(WIDTH, CLOUD_HEIGHT, "Size against the metric, one mark for each model tried")
    place = _Place(found)
    _grid(root, place, state)
    for value, name in ((found.target, "target"), (found.floor, "floor")):
        if value is None or not found.low <= value <= found.high:
            continue
        y = place.y(value)
        _line(root, _LEFT, y, WIDTH - _RIGHT, y, name)
        words = _text(root, WIDTH - _RIGHT - 4, y + (-5 if name == "target" else 13), name, "end")
        words.text = f"{name} {units.metric_value(value, found.metric)}"
    order = {"probe": 0, "fine_tune": 1, "baseline": 2}
    below = 0
    for point in sorted(found.points, key=lambda p: (p.best, order[p.kind])):
        if point.y < found.low:
            below += 1
            continue
        _mark(root, point, place, found)
    notes = [f"\u2193 {units.plural(below, 'model')} further down"] if below else []
    if found.unmeasured:
        notes.append(f"{units.plural(found.unmeasured, 'model')} without a measured size not shown")
    note = _text(root, _LEFT + 8, CLOUD_HEIGHT - _BOTTOM - 8, "note", "start")
    note.text = "; ".join(notes)
    return _text_of(root)


class _Place:
    """From values to the picture's units."""

    def __init__(self, found: Cloud) -> None:
        self.found = found
        self._left = math.log10(found.left)
        self._decades = math.log10(found.right) - self._left

    def x(self, value: float) -> float:
        """Place of a size on the logarithmic axis."""
        share = (math.log10(value) - self._left) / self._decades
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Place of a metric's value."""
        found = self.found
        share = (value - found.low) / (found.high - found.low)
        return CLOUD_HEIGHT - _BOTTOM - share * (CLOUD_HEIGHT - _TOP - _BOTTOM)


def _grid(root: ET.Element, place: _Place, state: RunState) -> None:
    found = place.found
    bottom = CLOUD_HEIGHT - _BOTTOM
    for value in round_steps(found.low, found.high, 5):
        y = place.y(value)
        _line(root, _LEFT, y, WIDTH - _RIGHT, y, "grid")
        _text(root, _LEFT - 8, y + 4, "tick", "end").text = _metric_tick(value, found.metric)
    for value in log_steps(found.left, found.right):
        x = place.x(value)
        _line(root, x, _TOP, x, bottom, "grid")
        words = _text(root, x, bottom + 18, "tick", "middle")
        words.text = units.tick(measure_value(state, found.measure, value))
    _line(root, _LEFT, bottom, WIDTH - _RIGHT, bottom, "axis")
    title = _text(root, (WIDTH + _LEFT) / 2, CLOUD_HEIGHT - 12, "title", "middle")
    title.text = f"{measure_name(state, found.measure)} (log scale)"
    name = units.metric_head(found.metric)
    upright = _text(root, 0, 0, "title", "middle")
    upright.set("transform", f"translate(14 {(_TOP + bottom) / 2:.1f}) rotate(-90)")
    upright.text = f"{name} on the search split"


def _mark(root: ET.Element, point: Point, place: _Place, found: Cloud) -> None:
    x, y = place.x(point.x), place.y(point.y)
    group = ET.SubElement(root, "g")
    value = units.metric_value(point.y, found.metric)
    match point.kind:
        case "baseline":
            _rect(group, x - 5.5, y - 5.5, 11, 11, "baseline")
            words = _text(group, x, y - 11, "label", "middle")
            words.text = "baseline"
        case "probe":
            side = 4.5
            points = f"{x},{y - side} {x + side},{y} {x},{y + side} {x - side},{y}"
            ET.SubElement(group, "polygon", {"points": points, "class": "probe"})
        case "fine_tune":
            kind = "accepted" if point.accepted else "rejected"
            _circle(group, x, y, 5.5, kind)
            if point.best:
                _circle(group, x, y, 10, "ring")
                _text(group, x, y - 15, "label", "middle").text = f"this model, {value}"
    what = "Baseline" if point.trial is None else f"Trial {point.trial}"
    ET.SubElement(group, "title").text = f"{what}: {value}"


def _layer_words(
    group: ET.Element, layer: LayerState, left: float, width: float, height: float
) -> None:
    fits = max(3, int(width / _CHARACTER))
    name = layer.name.rsplit("/", 1)[-1]
    if len(name) > fits:
        name = f"{name[: fits // 2]}\u2026{name[fits // 2 + 1 - fits :]}"
    _text(group, left, height + 26, "name", "start").text = name
    if layer.channels is None or layer.channels_kept is None:
        return
    words = f"{layer.channels_kept}"
    if layer.channels_kept != layer.channels:
        words = f"{layer.channels} \u2192 {words}"
    _text(group, left, height + 42, "count", "start").text = words


def _layer_title(layer: LayerState) -> str:
    words = [layer.name]
    if layer.channels is not None and layer.channels_kept is not None:
        words.append(f"{layer.channels_kept} of {layer.channels} channels left")
    share = zero_share(layer)
    if share is not None:
        words.append(f"{units.percent(share)} zero weights")
    return ", ".join(words)


def round_steps(low: float, high: float, count: int) -> list[float]:
    """About ``count`` round values (of 1, 2 or 5 times a power of ten) between two."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= raw)
    first = math.ceil(low / step)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_steps(low: float, high: float) -> list[float]:
    """Round values between two for a logarithmic axis: 1, 2, 5 of each decade, or decades."""

    def values(factors: tuple[int, ...]) -> Iterator[float]:
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
            yield from (k * 10.0**power for k in factors)

    fine = [v for v in values((1, 2, 5)) if low <= v <= high]
    coarse = [v for v in values((1,)) if low <= v <= high]
    return fine if len(fine) <= 8 or len(coarse) < 2 else coarse


def _metric_tick(value: float, metric: str | None) -> str:
    return f"{100 * value:.4g}{units.NBSP}%" if units.is_share(metric) else f"{value:.4g}"


def _root(width: float, height: float, name: str) -> ET.Element:
    box = f"0 0 {width:g} {height:g}"
    return ET.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": box, "role": "img", "aria-label": name},
    )


def _rect(
    parent: ET.Element, x: float, y: float, width: float, height: float, kind: str
) -> ET.Element:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
    return ET.SubElement(parent, "rect", {**place, "rx": "2", "class": kind})


def _circle(parent: ET.Element, x: float, y: float, radius: float, kind: str) -> None:
    place = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{radius:g}"}
    ET.SubElement(parent, "circle", {**place, "class": kind})


def _line(parent: ET.Element, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
    place = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    ET.SubElement(parent, "line", {**place, "class": kind})


def _text(parent: ET.Element, x: float, y: float, kind: str, anchor: str) -> ET.Element:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
    return ET.SubElement(parent, "text", {**place, "class": kind})


def _text_of(root: ET.Element) -> str:
    return ET.tostring(root, encoding="unicode")
