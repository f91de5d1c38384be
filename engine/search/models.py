"""Candidates: a graph with its arrays, cut by plan, and what they cost. No Keras here.

Owns how a keep ratio of the whole model becomes a plan on a model that may be cut already, and that
a candidate knows which of the original channels it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from engine.channels.dead import dead_plan
from engine.channels.groups import Channels
from engine.channels.plan import Plan, plan_global, plan_uniform
from engine.channels.surgery import Cut, cut
from engine.channels.trace import trace
from engine.criteria import Gradients, Measured, score
from engine.modelfile.graph import LayerGraph, Weights
from engine.search.origin import Origins, narrowed

GROUP_FLOOR = 0.05
"""Share of its channels that every cut leaves of each group, whatever their rank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model in our own form. ``weights`` must not be written to.

    ``origins`` says which channels of the model as opened are left; None: not known.
    """

    graph: LayerGraph
    weights: Weights
    origins: Origins | None = field(default_factory=dict)


def removable_channels(channels: Channels) -> int:
    """Channels of all groups that can be cut."""
    return sum(g.channels for g in channels.groups if g.prunable)


def smallest_keep(channels: Channels) -> float:
    """The share of removable channels that the floors of all groups leave."""
    total = removable_channels(channels)
    return 1.0 if total == 0 else sum(floors(channels).values()) / total


def floors(channels: Channels) -> dict[str, int]:
    """The fewest channels that a cut leaves of each removable group, by id."""
    return {
        g.id: max(g.pinned, channels.least_of(g.id), round(GROUP_FLOOR * g.channels))
        for g in channels.groups
        if g.prunable
    }


def retrace(graph: LayerGraph, before: Channels) -> Channels:
    """The channel groups of a cut graph, found as those of the model before any cut were."""
    found = trace(graph, through_norms=before.through_norms, exclude=before.excluded)
    return replace(found, least=before.least)


def cut_to(
    candidate: Candidate,
    keep: float,
    *,
    before: Channels,
    criterion: str,
    round_to: int = 1,
    seed: int = 0,
    gradients: Iterable[Gradients] | None = None,
    measured: Measured | None = None,
    widths: Mapping[str, int] | None = None,
) -> Candidate:
    """The candidate cut until ``keep`` of the whole model's removable channels are left.

    Parameters
    ----------
    candidate
        A model that may be cut already; it is not changed.
    before
        Channel groups of the model before any cut: ``keep`` and the floors refer to them.
    gradients
        The loss's gradients batch by batch, for a criterion that looks at them.
    measured
        What a phase with training images finds, for a criterion that is learned.
    widths
        Channels to leave by group, which make ``keep`` of the whole; without them one threshold
        over all groups shares the cut out (network slimming's global percentile).

    Returns
    -------
    Candidate
        The same one where no fewer channels are asked for than it has.
    """
    channels = retrace(candidate.graph, before)
    have = removable_channels(channels)
    want = round(keep * removable_channels(before))
    if have == 0 or want >= have:
        return candidate
    scores = score(
        criterion, candidate.graph, candidate.weights, channels, seed=seed,
        gradients=gradients, measured=measured,
    )  # fmt: skip
    if widths is None:
        plan = plan_global(channels, scores, want / have, GROUP_FLOOR, round_to)
    else:
        share = {
            g.id: min(1.0, widths[g.id] / g.channels) for g in channels.groups if g.id in widths
        }
        plan = plan_uniform(channels, scores, share, round_to)
    made = cut(candidate.graph, candidate.weights, channels, plan)
    return _narrower(candidate, made, channels, plan)


def without_dead(candidate: Candidate, before: Channels) -> Candidate:
    """The candidate without the channels that its zeros have cut off; itself where it has none.

    Channels that nothing makes are constants. They go where readers take the constant over exactly;
    where a border would not, only channels that nobody reads go.
    """
    channels = retrace(candidate.graph, before)
    for constants in (True, False):
        plan = dead_plan(channels, candidate.weights, constants=constants)
        if plan.empty:
            return candidate
        made = cut(candidate.graph, candidate.weights, channels, plan)
        if not made.border_effects:
            break
    return _narrower(candidate, made, channels, plan)


def _narrower(before: Candidate, made: Cut, channels: Channels, plan: Plan) -> Candidate:
    origins = narrowed(before.origins, channels, plan.keep)
    return Candidate(graph=made.graph, weights=made.weights, origins=origins)


def reached_keep(candidate: Candidate, before: Channels) -> float:
    """Share of the whole model's removable channels that a candidate has."""
    total = removable_channels(before)
    if total == 0:
        return 1.0
    prunable = {g.id for g in before.groups if g.prunable}
    left = sum(g.channels for g in retrace(candidate.graph, before).groups if g.id in prunable)
    return left / total
