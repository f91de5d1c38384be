"""Where the window's own files are: icons, styles, the sample model.

Owns the one place that knows how ``resources/`` is reached from a checkout or a wheel.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

_INSTALLED = "secateur_resources"


@cache
def resources() -> Path:
    """The folder ``resources/``: beside the packages in a checkout, else as installed."""
    checkout = Path(__file__).resolve().parents[1] / "resources"
    if checkout.is_dir():
        return checkout
    spec = importlib.util.find_spec(_INSTALLED)
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return checkout


def sample_model() -> Path:
    """The built-in model; it goes with the data source ``"digits"``."""
    return resources() / "sample" / "digits.keras"
