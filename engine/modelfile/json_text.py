"""JSON texts of model files as Python values, numbers kept finite.

Owns the reading of the text alone: NaN is refused, infinities become the largest float32.
"""

from __future__ import annotations

import json
import math
from typing import Any

from engine.modelfile.objects import bad_config

_FLOAT_MAX = 3.4028234663852886e38


def json_object(data: bytes | str, what: str) -> dict[str, Any]:
    """A JSON object.

    Parameters
    ----------
    what
        What the text is, for people.

    Raises
    ------
    UserError
        Where it is no JSON object.
    """
    try:
        value = json.loads(data, parse_constant=_constant, parse_float=_float)
    except (ValueError, RecursionError) as error:
        raise bad_config(f"{what} is not JSON, {str(error)[:100]}") from None
    if not isinstance(value, dict):
        raise bad_config(f"{what} is no JSON object")
    return value


def _constant(name: str) -> float:
    if name == "NaN":
        raise ValueError("NaN")
    return math.copysign(_FLOAT_MAX, -1.0 if name.startswith("-") else 1.0)


def _float(text: str) -> float:
    value = float(text)
    return math.copysign(_FLOAT_MAX, value) if math.isinf(value) else value
