"""Dead channels: units that zeros elsewhere have already cut off, found in the arrays alone.

Owns how they are found. A unit is dead where nothing reads it any more (all kernels that read it
have zeros there), or where nothing makes it (all kernels that make it have zeros there), so that it
is a constant. Removing them is an ordinary cut; it changes no output where constants can be folded.
"Neurons with no input or no output" are swept away after pruning in deep compression (Han et al.,
NIPS 2015, section 3) and in the target-accuracy search (Tian et al., Sensors 22(15):5874, 2022).
"""

from __future__ import annotations

import numpy as np

from engine.channels.groups import Axis, Channels
from engine.channels.plan import Plan
from engine.modelfile.graph import Weights


def dead_plan(channels: Channels, weights: Weights, *, constants: bool = True) -> Plan:
    """The plan that keeps every unit that still does something, and the fewest of each group.

    Parameters
    ----------
    constants
        Whether units that nothing makes count as dead too; a cut then folds what they were.
    """
    made, read = (_used(channels, weights, role) for role in ("out", "in"))
    dead = ~read if not constants else ~read | ~made
    keep: dict[str, tuple[int, ...]] = {}
    for group in channels.groups:
        units = channels.units(group.id)
        alive = ~dead[units] | ~channels.removable_units(group.id)
        if not group.prunable or alive.all():
            continue
        short = channels.least_of(group.id) - int(alive.sum())
        if short > 0:
            alive[np.flatnonzero(~alive)[:short]] = True
        keep[group.id] = tuple(np.flatnonzero(alive).tolist())
    plan = Plan(graph_digest=channels.graph_digest, keep=keep)
    return plan if _leaves_something(channels, plan) else Plan(graph_digest=channels.graph_digest)


def _used(channels: Channels, weights: Weights, role: str) -> np.ndarray:
    """Mask over units: used by a kernel in that role, or by none in a way that can be seen."""
    used = np.zeros(channels.unit_group.size, dtype=bool)
    seen = np.zeros_like(used)
    for axis in channels.axes:
        array = weights.get(axis.layer, {}).get(axis.weight)
        if axis.role != role or array is None or array.ndim < 2:
            continue
        held = axis.units >= 0
        seen[axis.units[held]] = True
        used[axis.units[held & _nonzero(array, axis)]] = True
    return used | ~seen


def _nonzero(array: np.ndarray, axis: Axis) -> np.ndarray:
    others = tuple(a for a in range(array.ndim) if a != axis.axis)
    found: np.ndarray = np.any(array != 0, axis=others)
    return found


def _leaves_something(channels: Channels, plan: Plan) -> bool:
    mask = channels.keep_mask(plan.keep)
    return all(mask[floor].any() for floor in channels.floors)
