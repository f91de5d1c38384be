"""Sparsity that a person chose layer by layer, as levels of weights.

Owns how layers are named. Which elements become zero is :func:`engine.sparsity.levels.zeroed`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from engine.errors import UserError
from engine.sparsity.settings import WeightKey


def levels_by_layer(
    keys: Sequence[WeightKey], wanted: Mapping[str, float]
) -> dict[WeightKey, float]:
    """Share of zeros by weight; of two names for one layer the later counts.

    Parameters
    ----------
    keys
        The weights that may be zeroed.
    wanted
        Shares by name of a layer or pattern; "outer.inner" and "outer/inner" are the same.

    Raises
    ------
    UserError
        Where a name is no layer's with such weights.
    """
    found: dict[WeightKey, float] = {}
    for name, share in wanted.items():
        dotted = name.replace("/", ".")
        meant = [key for key in keys if fnmatchcase(key[0].replace("/", "."), dotted)]
        if not meant:
            raise UserError(
                "sparsity.no_such_layer",
                f"There is no layer of that name whose weights can be zeroed: {name}.",
                "Use a name that 'secateur inspect' lists, or a pattern such as 'block1_*'.",
            )
        found |= dict.fromkeys(meant, share)
    return {key: share for key, share in found.items() if share > 0.0}
