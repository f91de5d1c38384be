"""Where the window's own files are: icons, styles, the sample model.

Owns the one place that knows how ``resources/`` is reached from a checkout or a wheel.
"""

from __future__ import annotations

import sysconfig
from functools import cache
from pathlib import Path

_INSTALLED = Path("share") / "secateur" / "resources"


@cache
def resources() -> Path:
    """The folder ``resources/``: beside the packages in a checkout, else as installed."""
    checkout = Path(__file__).resolve().parents[1] / "resources"
    if checkout.is_dir():
        return checkout
    return Path(sysconfig.get_path("data")) / _INSTALLED


def sample_model() -> Path:
    """The built-in model; it goes with the data source ``"digits"``."""
    return resources() / "sample" / "digits.keras"
