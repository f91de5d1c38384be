"""The rules of the house that a machine can check: who may import whom, what stays light, how long
a file may be, what lies at the top."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 500
KNOWN_LONG = {"gui.main_window": 600}
"""Files that are already over it, and how far they may go; nothing is added here."""

HEAVY = ("tensorflow", "keras", "tf_keras", "tensorflow_model_optimization", "ai_edge_litert")
"""Only the engine process and short-lived children may import these."""

TOP = {"pyproject.toml", "README.md", "LICENSE"}
TOP |= {"engine", "gui", "resources", "tests", "packaging"}


def _sources(*tops: str) -> Iterator[Path]:
    for top in tops:
        yield from sorted((ROOT / top).rglob("*.py"))


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _docstring(text: str) -> str | None:
    return ast.get_docstring(ast.parse(text))


def _loaded_by(*statements: str) -> set[str]:
    """Top-level packages in ``sys.modules`` of a fresh interpreter after these statements."""
    code = "\n".join(
        [*statements, "import sys", "print(*{name.partition('.')[0] for name in sys.modules})"]
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_that_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_that_importing_the_engine_is_light() -> None:
    loaded = _loaded_by("import engine")
    assert loaded.isdisjoint({*HEAVY, "numpy", "h5py", "scipy", "sklearn", "PIL", "rich"})


def test_that_the_command_line_imports_nothing_heavy_before_it_must() -> None:
    loaded = _loaded_by("import engine.cli", "import engine.api", "engine.cli.build_parser()")
    assert loaded.isdisjoint({*HEAVY, "scipy", "sklearn", "PySide6"})


def test_that_the_window_never_loads_tensorflow_and_plots_come_after_it() -> None:
    loaded = _loaded_by("import gui.main_window")
    assert "PySide6" in loaded
    assert loaded.isdisjoint({*HEAVY, "pyqtgraph", "scipy", "sklearn"})


def test_that_reading_and_tracing_need_no_keras() -> None:
    light = [
        _module(path)
        for path in _sources("engine/modelfile", "engine/channels", "engine/criteria")
        if path.name not in ("rebuild.py", "custom_layers.py")
    ]
    assert len(light) > 10
    loaded = _loaded_by(*(f"import {name}" for name in light))
    assert loaded.isdisjoint({*HEAVY, "PySide6", "sklearn"})


@pytest.mark.parametrize("top", ["engine", "gui"])
def test_that_every_module_says_what_it_owns(top: str) -> None:
    texts = {_module(path): path.read_text() for path in _sources(top)}
    silent = [name for name, text in texts.items() if text and not _docstring(text)]
    assert silent == []


def test_that_no_code_says_tf_keras_by_its_ambiguous_name() -> None:
    def says_it(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Attribute)
            and node.attr == "keras"
            and isinstance(node.value, ast.Name)
            and node.value.id in ("tf", "tensorflow")
        )

    guilty = [
        f"{_module(path)}:{node.lineno}"
        for path in _sources("engine", "gui", "tests")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and says_it(node)
    ]
    # its one use settles what the name means before TF-MOT is imported and changes it
    assert [place for place in guilty if not place.startswith("engine.sparsity.tfmot:")] == []


def test_that_no_file_has_become_two_rooms() -> None:
    long = {
        _module(path): lines
        for path in _sources("engine", "gui", "tests")
        if (lines := len(path.read_text().splitlines())) > KNOWN_LONG.get(_module(path), LONGEST)
    }
    assert long == {}


def test_that_the_top_level_holds_only_what_the_design_names() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    top = {line.partition("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} - TOP == set()


def test_that_test_folders_are_packages_and_packaging_is_none() -> None:
    # one __init__.py in every test folder, or `import engine` would find the tests
    for folder in {path.parent for path in _sources("tests")}:
        assert (folder / "__init__.py").exists(), folder
    # with one, it would hide the library of that name from everything run in the checkout
    assert not (ROOT / "packaging" / "__init__.py").exists()
