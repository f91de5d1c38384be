"""packaging/constraints.txt is the whole environment: every requirement, at a version that
pyproject.toml allows, for every Python that is supported."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")


def _pins() -> dict[str, str]:
    pins: dict[str, str] = {}
    for line in (ROOT / "packaging" / "constraints.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
        assert match, f"not an exact pin: {line!r}"
        name = str(canonicalize_name(match[1]))
        assert name not in pins, f"pinned twice: {line!r}"
        pins[name] = match[2]
    return pins


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def _direct() -> list[Requirement]:
    project = _project()
    lines = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [Requirement(line) for line in lines]


def _needed(python: str) -> dict[str, list[Requirement]]:
    """Everything that is needed on Linux x86-64, by what the installed packages declare."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
    }
    needed: dict[str, list[Requirement]] = {}
    waiting = _direct()
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name = str(canonicalize_name(requirement.name))
        needed.setdefault(name, []).append(requirement)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        for line in metadata.requires(name) or []:
            inner = Requirement(line)
            extras = requirement.extras or {""}
            if inner.marker is None or any(
                inner.marker.evaluate({**environment, "extra": extra}) for extra in extras
            ):
                waiting.append(inner)
    return needed


@pytest.mark.parametrize("python", PYTHONS)
def test_that_every_package_that_is_needed_is_pinned_within_its_range(python: str) -> None:
    pins = _pins()
    for name, requirements in _needed(python).items():
        assert name in pins, f"{name} is needed on Python {python} and has no pin"
        for requirement in requirements:
            assert requirement.specifier.contains(pins[name]), f"{requirement}, pinned {pins[name]}"


def test_that_nothing_is_pinned_that_nothing_needs() -> None:
    needed = set().union(*(_needed(python) for python in PYTHONS))
    build = {"setuptools", "wheel"}
    assert set(_pins()) - needed - build == set()


def test_that_the_known_traps_stay_closed() -> None:
    pins = {name: tuple(int(n) for n in pin.split(".")[:3]) for name, pin in _pins().items()}
    # 6.12 aborts on CPython 3.11, pyqtgraph 0.14's SVG export raises with 6.11
    assert (6, 8) <= pins["pyside6-essentials"] < (6, 11)
    assert pins["shiboken6"] == pins["pyside6-essentials"]
    assert pins["h5py"] < (3, 15)
    # two distributions over one folder
    assert "tensorflow-cpu" not in pins
    # licence expressions in pyproject.toml
    assert pins["setuptools"] >= (77,)


def test_that_the_installed_packages_are_the_pinned_ones() -> None:
    different = {
        name: (pin, metadata.version(name))
        for name, pin in _pins().items()
        if metadata.version(name) != pin
    }
    assert different == {}, "another environment than packaging/test.sh makes (pinned, installed)"


def test_that_the_supported_pythons_are_those_tested_here() -> None:
    assert _project()["requires-python"] == ">=3.11,<3.14"
