"""Both palettes through simulated colour vision, and the contrast of every text on its ground.

Colour vision is simulated with the matrices of Machado, Oliveira and Fernandes, "A physiologically-
based model for simulation of color vision deficiency", 2009, at severity 1.0, on linear sRGB.
Distances are CIE 1976 (L*, a*, b*) under D65; contrast is that of WCAG 2.2, 1.4.3.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict

import numpy as np
import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from engine import events as ev
from engine.telling.record import record_of
from gui.main_window import MainWindow
from gui.models.log import mark
from gui.resources import resources
from gui.theme import DARK, LIGHT, Colours, theme
from gui.widgets.banner import ICONS
from gui.widgets.heat import CIVIDIS, ink, tint
from gui.widgets.legend import marks
from gui.widgets.strip import blend
from tests.gui import story

VISIONS = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
D65 = np.array([0.95047, 1.0, 1.08883])
APART = 10.0
"""The least distance of two colours that mean different things."""

READABLE = 4.5
PALETTES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])


def light(colour: str) -> np.ndarray:
    """Linear red, green and blue of "#RRGGBB", 0..1."""
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    found: np.ndarray = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return found


def lab(linear: np.ndarray) -> np.ndarray:
    """L*, a*, b* of linear sRGB."""
    ratio = TO_XYZ @ np.clip(linear, 0.0, 1.0) / D65
    bent = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array(
        [116 * bent[1] - 16, 500 * (bent[0] - bent[1]), 200 * (bent[1] - bent[2])]
    )  # fmt: skip


def distance(one: str, two: str, vision: str = "all cones") -> float:
    """How far apart two colours look."""
    seen = [lab(VISIONS[vision] @ light(colour)) for colour in (one, two)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def least(one: str, two: str) -> float:
    """How far apart two colours look to whoever sees the least of it."""
    return min(distance(one, two, vision) for vision in VISIONS)


def contrast(one: str, two: str) -> float:
    """Contrast ratio of two colours, 1..21."""
    low, high = sorted(float(TO_XYZ[1] @ light(colour)) for colour in (one, two))
    return (high + 0.05) / (low + 0.05)


def test_that_the_measures_are_those_of_their_sources() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    np.testing.assert_allclose(lab(light("#FF0000")), [53.24, 80.09, 67.20], atol=0.05)
    for matrix in VISIONS.values():
        np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-5)  # greys stay as they are
    assert distance("#D00000", "#5C6B00", "protanopia") < 0.5 * distance("#D00000", "#5C6B00")


@PALETTES
def test_that_colours_of_data_are_told_apart_by_everybody(palette: Colours) -> None:
    """Those that are seen beside one another as marks, words or fills."""
    c = palette
    for together in (
        {"baseline": c.text, "probe": c.probe, "accepted": c.good, "rejected": c.bad,
         "best": c.accent, "other run": c.other},
        {"good": c.good, "bad": c.bad, "warning": c.warn, "under way": c.accent},
        {"floor": c.floor, "target": c.target},
        {"loss": c.loss, "ground": c.surface},
        {"more": c.floor, "fewer": c.accent, "as many": c.raised},
        {"channels": c.accent, "fixed": c.control, "zeros": c.empty},
    ):  # fmt: skip
        for (a, one), (b, two) in itertools.combinations(together.items(), 2):
            assert least(one, two) >= APART, f"{a} and {b} look alike"


@PALETTES
def test_that_marks_of_one_form_are_told_apart_by_everybody(palette: Colours) -> None:
    found = marks(palette, "another run")
    assert len({(shape, filled) for shape, _, filled, _ in found}) == len(found), "no two of a form"
    assert len(set(ICONS.values())) == len(ICONS), "nor two banners"
    warned, failed = ev.Warned(code="any", message="Any."), ev.RunEnded(outcome="failed")
    lines = {mark(line) for line in (*record_of(story.whole()).log, warned, failed)}
    assert len(lines) > 5
    for (icon, one), (other, two) in itertools.combinations(lines, 2):
        far = least(str(getattr(palette, one)), str(getattr(palette, two)))
        assert icon != other or far >= APART, f"{icon} in {one} and {two}"


def test_that_the_steps_of_the_heat_map_are_told_apart_and_in_order() -> None:
    for one, two in itertools.pairwise(CIVIDIS):
        assert least(one, two) >= APART
        for vision in VISIONS.values():
            assert lab(vision @ light(one))[0] > lab(vision @ light(two))[0], "worse is darker"


@PALETTES
def test_that_numbers_on_cells_can_be_read(palette: Colours) -> None:
    shares = np.linspace(0.0, 1.0, 101)
    fills = [tint(share) for share in shares]
    for hue in (palette.accent, palette.floor):
        fills += [blend(palette.raised, hue, share) for share in shares]
    for fill in fills:
        assert contrast(ink(fill).name(), fill.name()) >= READABLE


RULE = re.compile(r"^([^{}/]+?)\s*\{([^}]*)\}", re.MULTILINE)
INK = re.compile(r"(?<![-\w])color:\s*\$(\w+)")
GROUND = re.compile(r"background:\s*\$(\w+)")


def written() -> list[tuple[str, str, str | None]]:
    """Selector, ink and ground (None: what lies under it) of the rules that colour a text."""
    text = (resources() / "styles" / "window.qss").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    found = []
    for selector, body in RULE.findall(text):
        colour, ground = INK.search(body), GROUND.search(body)
        if colour is not None:
            found.append((selector.strip(), colour[1], None if ground is None else ground[1]))
    return found


@PALETTES
def test_that_every_text_can_be_read_on_its_ground(palette: Colours) -> None:
    c = asdict(palette)
    rules = written()
    assert len(rules) > 25
    for selector, colour, ground in rules:
        if selector.endswith(":disabled"):
            continue  # WCAG asks nothing of what is out of use
        for under in [ground] if ground else ["window", "surface", "raised"]:
            assert contrast(c[colour], c[under]) >= READABLE, f"{selector}: {colour} on {under}"
    painted = {
        "surface": ("text", "muted", "accent", "floor", "target"),
        "accent_soft": ("text", "muted"),
        "bad_soft": ("text", "muted"),
        "warn_soft": ("text", "muted"),
        "good_soft": ("text", "muted"),
    }
    for under, inks in painted.items():
        for colour in inks:
            assert contrast(c[colour], c[under]) >= READABLE, f"{colour} on {under}"


@PALETTES
def test_that_marks_and_lines_stand_out(palette: Colours) -> None:
    """WCAG 2.2, 1.4.11: 3 to 1 for what must be seen to understand."""
    c = palette
    for mark_of in (c.text, c.probe, c.good, c.bad, c.warn, c.accent, c.other, c.floor, c.target):
        assert contrast(mark_of, c.surface) >= 3.0


def test_that_hints_in_fields_can_be_read(window: MainWindow) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    for look in ("light", "dark"):
        window.choose_look(look)
        hint = app.palette().color(QPalette.ColorRole.PlaceholderText)
        assert contrast(QColor(hint).name(), theme().colours.surface) >= READABLE
