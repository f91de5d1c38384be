"""Where the sample model lies, in a checkout and in an installed wheel."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from engine.errors import EngineFailure

_RELATIVE = Path("sample") / "digits.keras"


def sample_model_path() -> Path:
    """Path of ``digits.keras``, the sample model.

    Raises
    ------
    EngineFailure
        Where neither the checkout nor the installation has it.
    """
    places = (
        Path(__file__).resolve().parents[2] / "resources",
        Path(sysconfig.get_path("data")) / "share" / "secateur" / "resources",
    )
    for place in places:
        if (place / _RELATIVE).is_file():
            return place / _RELATIVE
    raise EngineFailure(
        "sample.not_found",
        f"The sample model is not where it was installed: {places[-1] / _RELATIVE}.",
        "Install Secateur again.",
    )
