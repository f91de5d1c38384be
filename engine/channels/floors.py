"""Shares by name: what a person says of groups ("conv3 keeps a quarter") as numbers by group id.

Owns how names are read (a group's id, a layer, a pattern) and the fewest channels that a floor
leaves. It chooses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from engine.channels.groups import Channels
from engine.errors import UserError


def groups_named(channels: Channels, wanted: str) -> tuple[str, ...]:
    """Ids of the groups meant by an id, the name of a layer in it, or a pattern of names.

    A saved cut has "outer.inner" for "outer/inner": either is found.

    Raises
    ------
    UserError
        Where there is none.
    """
    dotted = wanted.replace("/", ".")
    found = {
        group: None
        for name, group in channels.layer_groups.items()
        if dotted == (own := name.replace("/", ".")) or fnmatchcase(own, dotted)
    }
    if not found:
        found = {group.id: None for group in channels.groups if group.id == wanted}
    if not found:
        raise UserError(
            "group.no_such",
            f"There is neither a channel group nor a layer with channels of that name: {wanted}.",
            "Use a name that 'secateur inspect' lists, or a pattern such as 'block1_*'.",
        )
    return tuple(found)


def shares_by_group(channels: Channels, wanted: Mapping[str, float]) -> dict[str, float]:
    """Shares by group id; of two names for one group the later counts.

    Raises
    ------
    UserError
        Where a name is no group's and no layer's.
    """
    return {
        group: share for name, share in wanted.items() for group in groups_named(channels, name)
    }


def with_floors(channels: Channels, floors: Mapping[str, float]) -> Channels:
    """The channels with the fewest that may be left of each group.

    Parameters
    ----------
    floors
        Shares of a group that must stay, by group id, layer or pattern.

    Raises
    ------
    UserError
        Where a name is no group's and no layer's.
    """
    least = {
        group: max(1, math.ceil(share * channels.group(group).channels - 1e-9))
        for group, share in shares_by_group(channels, floors).items()
    }
    return replace(channels, least=least)
