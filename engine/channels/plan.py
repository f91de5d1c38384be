"""Which channels a cut keeps, as plain data, and the two ways to choose them from scores.

Owns the frozen :class:`Plan`, its checks, and the uniform and the global rule. It knows nothing
of where scores come from, and nothing of arrays of weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.channels.groups import ChannelGroup, Channels
from engine.errors import UserError

Scores = Mapping[str, np.ndarray]
"""Per group id, one number per unit; higher is more important."""

FLOOR_SHARE = 0.1
"""Share of a group's units that the global rule always keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Kept unit indices by group id, sorted, never empty; other groups are kept whole.

    ``graph_digest`` binds it to one model. ``sparsity`` is the share of zeros in the kernels of a
    layer, by its name; a cut does not look at it.
    """

    graph_digest: str
    keep: dict[str, tuple[int, ...]] = field(default_factory=dict)
    sparsity: dict[str, float] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether it names no group: the cut is then the identity."""
        return not self.keep


def check(plan: Plan, channels: Channels) -> None:
    """Check a plan against the model that it is to be applied to.

    Raises
    ------
    UserError
        Where it was made for another model, names a group or unit that is not there, removes a
        pinned unit, or leaves nothing of a group or of a tensor.
    """
    if plan.graph_digest != channels.graph_digest:
        raise UserError(
            "plan.other_model",
            "This plan was made for another model than the one given: "
            f"{plan.graph_digest[:12]} is not {channels.graph_digest[:12]}.",
            "Make the plan from this model.",
        )
    for group_id, kept in plan.keep.items():
        try:
            group = channels.group(group_id)
        except KeyError:
            raise _bad(group_id, kept, "there is no such group") from None
        if not kept:
            raise _bad(group_id, kept, "it keeps nothing of the group")
        if list(kept) != sorted(set(kept)) or kept[0] < 0 or kept[-1] >= group.channels:
            raise _bad(group_id, kept, f"kept units must rise within 0 .. {group.channels - 1}")
    mask = channels.keep_mask(plan.keep)
    lost = np.flatnonzero(~mask & ~channels.removable)
    if lost.size:
        group = channels.groups[int(channels.unit_group[lost[0]])]
        raise _bad(group.id, (), f"it removes a pinned channel ({group.reason})")
    for floor in channels.floors:
        if not mask[floor].any():
            group = channels.groups[int(channels.unit_group[floor[0]])]
            raise _bad(group.id, (), "it leaves a tensor without channels")


def _bad(group_id: str, kept: tuple[int, ...], why: str) -> UserError:
    shown = f"{group_id} keeps {len(kept)}" if kept else group_id
    return UserError("plan.bad", f"The plan cannot be applied: {why}: {shown}.", "Make it again.")


def rounded(count: int, channels: int, round_to: int, least: int = 1) -> int:
    """A width as the nearest multiple of ``round_to`` (upwards in a tie), within its bounds."""
    if round_to > 1:
        count = max(round_to, int(count / round_to + 0.5) * round_to)
    return max(1, min(channels, max(count, least)))


def _candidates(channels: Channels, scores: Scores) -> list[ChannelGroup]:
    return [g for g in channels.groups if g.prunable and g.id in scores]


def best(score: np.ndarray, count: int, removable: np.ndarray) -> np.ndarray:
    """Mask of the ``count`` best units; pinned ones always stay, ties go to the first."""
    ranked = np.where(removable, np.nan_to_num(score, nan=-math.inf), math.inf)
    order = np.argsort(-ranked, kind="stable")
    mask = np.zeros(score.size, dtype=bool)
    mask[order[: max(count, int((~removable).sum()))]] = True
    return mask


def _finish(channels: Channels, chosen: Mapping[str, np.ndarray], scores: Scores) -> Plan:
    """Mend empty tensors and freeze; groups kept whole are left out."""
    masks = {group_id: mask.copy() for group_id, mask in chosen.items()}
    for floor in channels.floors:
        places = [(channels.groups[int(channels.unit_group[u])], int(u)) for u in floor.tolist()]
        inside = [(g.id, u - g.first_unit) for g, u in places]
        if all(g in masks and not masks[g][i] for g, i in inside):
            group_id, index = max(inside, key=lambda p: float(scores[p[0]][p[1]]))
            masks[group_id][index] = True
    keep = {
        group_id: tuple(np.flatnonzero(mask).tolist())
        for group_id, mask in masks.items()
        if not mask.all()
    }
    return Plan(graph_digest=channels.graph_digest, keep=keep)


def plan_uniform(
    channels: Channels,
    scores: Scores,
    keep: float | Mapping[str, float],
    round_to: int = 1,
) -> Plan:
    """Keep the same share of every removable group (or a share by group id).

    Parameters
    ----------
    scores
        Per group id and unit; a group without scores is kept whole.
    keep
        Share of units to keep, 0..1, at least one unit; groups not named keep all.
    round_to
        Kept counts become the nearest multiple of it (never more than there are).
    """
    chosen = {}
    for group in _candidates(channels, scores):
        share = keep.get(group.id, 1.0) if isinstance(keep, Mapping) else keep
        if share >= 1.0:
            continue
        least = channels.least_of(group.id)
        count = rounded(round(share * group.channels), group.channels, round_to, least)
        chosen[group.id] = best(scores[group.id], count, channels.removable_units(group.id))
    return _finish(channels, chosen, scores)


def normalised(score: np.ndarray) -> np.ndarray:
    """Scores of a group over their mean, so that groups compare; all equal where it is 0."""
    values = np.nan_to_num(np.asarray(score, dtype=np.float64))
    mean = float(np.mean(np.abs(values)))
    return values / mean if mean > 0 else np.ones_like(values)


def plan_global(
    channels: Channels,
    scores: Scores,
    keep: float,
    floor_share: float = FLOOR_SHARE,
    round_to: int = 1,
) -> Plan:
    """Keep the best share over all removable groups together (network slimming's percentile).

    Scores are normalised per group (:func:`normalised`); each group keeps at least
    ``floor_share`` of its units, one, and what :attr:`Channels.least` says. Liu et al., ICCV 2017,
    section 3; the floor is ours: a global threshold can delete a whole layer.
    """
    groups = _candidates(channels, scores)
    if not groups or keep >= 1.0:
        return Plan(graph_digest=channels.graph_digest)
    values = [normalised(scores[g.id]) for g in groups]
    least = [max(channels.least_of(g.id), math.ceil(floor_share * g.channels)) for g in groups]
    free = [channels.removable_units(g.id) for g in groups]
    rank = np.concatenate(
        [_after_floor(v, n, f) for v, n, f in zip(values, least, free, strict=True)]
    )
    total = rank.size
    wanted = max(round(keep * total), int(np.isinf(rank).sum()))
    mask = np.zeros(total, dtype=bool)
    mask[np.argsort(-rank, kind="stable")[:wanted]] = True
    chosen, start = {}, 0
    for group, value, lowest, able in zip(groups, values, least, free, strict=True):
        count = int(mask[start : start + group.channels].sum())
        start += group.channels
        count = rounded(count, group.channels, round_to, lowest)
        chosen[group.id] = best(value, count, able)
    return _finish(channels, chosen, scores)


def _after_floor(values: np.ndarray, least: int, removable: np.ndarray) -> np.ndarray:
    """Values in which those that stay anyway are infinite."""
    return np.where(best(values, least, removable), math.inf, values)
