"""Real models and data that lie beside the project; tests skip where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("SECATEUR_SHARED", Path(__file__).parents[2] / "shared"))


def shared_file(name: str) -> Path:
    """Path of a shared file such as ``"models/vgg_fashion.keras"``; skips the test without it."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"needs {name} of the shared models and data, which is not here")
    return path
