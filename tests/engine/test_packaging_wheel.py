"""The wheel holds the whole program: every file of both packages, and the resources where the code
looks for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
LITTER = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
NOT_SHIPPED = "screenshots"
"""The folder of ``resources/`` that only the README shows."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this checkout, built with what is installed here."""
    source = tmp_path_factory.mktemp("source")
    for folder in ("engine", "gui", "resources"):
        shutil.copytree(ROOT / folder, source / folder, ignore=LITTER)
    (source / "packaging").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "packaging/secateur.desktop"):
        shutil.copy(ROOT / name, source / name)
    built = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-index", "--no-build-isolation", "-q"]
    _run(sys.executable, "-m", "pip", "wheel", *options, "-w", str(built), str(source))
    (path,) = built.glob("secateur-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with that wheel, and this environment's libraries behind it."""
    venv = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", "--without-pip", str(venv))
    python = venv / "bin" / "python"
    options = ["--no-deps", "--no-index", "-q", "--disable-pip-version-check"]
    _run(sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel))
    (packages,) = venv.glob("lib/python3*/site-packages")
    # a bare line: the hook of our own editable install is not followed
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return venv


def test_that_the_wheel_holds_every_file_of_the_program(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {PurePosixPath(name) for name in archive.namelist()}
    metadata = {name for name in names if name.parts[0].endswith(".dist-info")}
    data = f"{wheel.name.rsplit('-', 3)[0]}.data"
    share = PurePosixPath(data, "data", "share")
    resources = share / "secateur" / "resources"
    expected = {PurePosixPath(file) for top in ("engine", "gui") for file in _files(top)}
    expected |= {
        resources / PurePosixPath(file).relative_to("resources")
        for file in _files("resources")
        if PurePosixPath(file).parts[1] != NOT_SHIPPED
    }
    expected.add(share / "applications" / "secateur.desktop")
    expected.add(share / "icons" / "hicolor" / "scalable" / "apps" / "secateur.svg")
    assert names - metadata == expected
    assert any(name.name == "LICENSE" for name in metadata)


def test_that_the_installed_command_runs(installed: Path) -> None:
    output = _run(str(installed / "bin" / "secateur"), "--version")
    assert output.startswith("secateur 0.")


def test_that_the_installed_packages_are_found_and_are_not_the_checkout(installed: Path) -> None:
    found = _run(
        str(installed / "bin" / "python"),
        "-I",
        "-c",
        "import engine, gui; print(engine.__file__); print(gui.__file__)",
    ).splitlines()
    assert len(found) == 2
    assert all(Path(line).is_relative_to(installed) for line in found)


def test_that_the_installed_program_finds_its_resources(installed: Path) -> None:
    found = _run(
        str(installed / "bin" / "python"),
        "-I",
        "-c",
        "from engine.data.sample import sample_model_path\n"
        "from gui.resources import resources, sample_model\n"
        "print(sample_model_path()); print(sample_model()); print(resources() / 'icons')",
    ).splitlines()
    assert len(found) == 3
    for line in found:
        assert Path(line).exists()
        assert Path(line).is_relative_to(installed)


def _files(top: str) -> list[str]:
    """Files below a folder of the checkout, relative to it, without litter."""
    return [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / top).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]


def _run(*command: str) -> str:
    done = subprocess.run(
        command,
        cwd=Path(command[0]).parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
