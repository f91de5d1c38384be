"""Floors of groups: named, held by every rule that chooses, carried along from cut to cut."""

from __future__ import annotations

import pytest

from engine import commands
from engine.channels.dead import dead_plan
from engine.channels.floors import groups_named, shares_by_group, with_floors
from engine.channels.groups import Channels
from engine.channels.plan import plan_global, plan_uniform
from engine.channels.trace import trace
from engine.cli import run as run_command
from engine.criteria import score
from engine.errors import UserError
from engine.job import DataSpec, Job
from engine.search.allocation import Curve, WidthCost, allocate
from engine.search.context import channels_of
from engine.search.models import Candidate, cut_to, floors, retrace, smallest_keep
from engine.search.sensitivity import ladder
from tests.engine.sketch import Sketch


@pytest.fixture
def net() -> Candidate:
    """Three convolutions of 16, 32 and 32 channels and a classifier."""
    sketch = Sketch()
    x = sketch.input(8, 8, 3)
    for filters in (16, 32, 32):
        x = sketch.layer("Conv2D", x, filters=filters, kernel_size=[3, 3], padding="same")
    head = sketch.layer("Dense", sketch.layer("GlobalAveragePooling2D", x), units=10)
    return Candidate(graph=sketch.graph([head]), weights=sketch.weights)


@pytest.fixture
def channels(net: Candidate) -> Channels:
    return trace(net.graph)


def first(channels: Channels) -> str:
    """The widest group that can be cut."""
    return max((g for g in channels.groups if g.prunable), key=lambda g: g.channels).id


def test_that_a_group_is_named_by_id_layer_or_pattern(channels: Channels) -> None:
    group = channels.group(first(channels))
    layer = group.producers[0]
    assert groups_named(channels, group.id) == (group.id,)
    assert groups_named(channels, layer) == (group.id,)
    every = groups_named(channels, "*")
    assert set(every) == set(channels.layer_groups.values())
    assert shares_by_group(channels, {"*": 0.5, layer: 0.25})[group.id] == 0.25
    with pytest.raises(UserError, match="of that name: nothing"):
        groups_named(channels, "nothing")


def test_that_no_rule_goes_below_a_floor(net: Candidate, channels: Channels) -> None:
    wanted = first(channels)
    held = with_floors(channels, {wanted: 0.7})
    least = held.least_of(wanted)
    assert least >= 0.7 * channels.group(wanted).channels
    scores = score("norm", net.graph, net.weights, channels)
    for plan in (
        plan_uniform(held, scores, 0.1),
        plan_uniform(held, scores, 0.1, 4),
        plan_global(held, scores, 0.1),
    ):
        assert len(plan.keep.get(wanted, range(least))) >= least
    assert len(plan_uniform(channels, scores, 0.1).keep[wanted]) < least, "without one it would"
    assert min(ladder(channels.group(wanted), least), default=least) >= least
    curves = [
        Curve(group=g.id, kept=(g.channels, 1), losses=(0.0, 0.1))
        for g in channels.groups
        if g.prunable and g.channels > 1
    ]
    path = allocate(curves, WidthCost(channels), floors(held))
    assert min(p.widths[wanted] for p in path.points) == least
    assert smallest_keep(held) > smallest_keep(channels)


def test_that_a_floor_counts_channels_of_the_whole_model_at_every_cut(
    net: Candidate, channels: Channels
) -> None:
    wanted = first(channels)
    held = with_floors(channels, {wanted: 0.7})
    candidate = net
    for keep in (0.9, 0.6, 0.3, 0.05):
        candidate = cut_to(candidate, keep, before=held, criterion="norm")
        after = retrace(candidate.graph, held)
        assert after.group(wanted).channels >= held.least_of(wanted)
    assert after.group(wanted).channels == held.least_of(wanted)


def test_that_dead_channels_stay_where_a_floor_needs_them(
    net: Candidate, channels: Channels
) -> None:
    wanted = first(channels)
    weights = {
        layer: {name: array * (array.ndim < 2) for name, array in arrays.items()}
        for layer, arrays in net.weights.items()
    }
    held = with_floors(channels, {wanted: 0.7})
    plan = dead_plan(held, weights)
    assert len(plan.keep.get(wanted, range(99))) >= held.least_of(wanted)


def test_that_a_job_carries_its_floors_and_refuses_a_wrong_name(net: Candidate) -> None:
    channels = trace(net.graph)
    wanted = first(channels)
    job = Job(model="m", data=DataSpec(source="digits"), floors={wanted: 0.5})
    assert channels_of(job, net.graph).least == with_floors(channels, {wanted: 0.5}).least
    with pytest.raises(UserError):
        channels_of(Job(model="m", data=DataSpec(source="digits"), floors={"x": 0.5}), net.graph)


def test_that_floors_come_from_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Job] = []
    monkeypatch.setattr(commands, "_search", lambda _options, job, _out: asked.append(job) or 0)
    words = ["prune", "m.keras", "--data", "digits", "--floor", "g1=0.5", "--floor", "conv*=0.25"]
    assert run_command(words) == 0
    assert asked[0].floors == {"g1": 0.5, "conv*": 0.25}
    assert run_command([*words, "--floor", "g2=2"]) == 2
