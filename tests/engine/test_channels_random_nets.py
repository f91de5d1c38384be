"""Cuts of random live nets against the oracle, without Keras."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, event, find, given, settings
from hypothesis import strategies as st

from engine.channels.cost import cost
from engine.channels.ops import Call, registered
from engine.channels.ops.base import Arrays
from engine.channels.oracle import REL_DIFF_LIMIT, reference, rel_diff, shifted
from engine.channels.plan import Plan, plan_uniform
from engine.channels.surgery import cut
from engine.channels.trace import trace
from engine.channels.tracer import Tracer
from engine.criteria import score
from engine.modelfile.shapes import reshape_graph
from tests.engine.numpy_net import run
from tests.engine.random_nets import Net, nets

relaxed = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def _reference(net: Net, plan: Plan) -> np.ndarray:
    wide, arrays = reference(net.graph, net.weights, trace(net.graph), plan)
    (out,) = run(wide, dict(arrays), [net.images])
    return out


@relaxed
@given(nets, st.floats(0.2, 0.8), st.integers(0, 99))
def test_that_a_cut_equals_the_reference_and_a_shifted_one_does_not(
    net: Net, keep: float, seed: int
) -> None:
    channels = trace(net.graph)
    scores = score("random", net.graph, net.weights, channels, seed=seed)
    plan = plan_uniform(channels, scores, keep)
    made = cut(net.graph, net.weights, channels, plan)
    (ours,) = run(made.graph, dict(made.weights), [net.images])
    wanted = _reference(net, plan)
    assert rel_diff(ours, wanted)[1] <= REL_DIFF_LIMIT
    assert cost(made.graph).params == sum(a.size for w in made.weights.values() for a in w.values())
    assert reshape_graph(made.graph).tensors == made.graph.tensors
    other = shifted(plan, channels)
    if other is None or rel_diff(_reference(net, other), wanted)[1] < 1e-2:
        event("no shifted plan that matters")
        return
    event("a shifted plan")
    wrong = cut(net.graph, net.weights, channels, other)
    (theirs,) = run(wrong.graph, dict(wrong.weights), [net.images])
    assert rel_diff(theirs, wanted)[1] > REL_DIFF_LIMIT


@settings(relaxed, max_examples=40)
@given(nets)
def test_that_the_empty_plan_is_the_identity_on_random_nets(net: Net) -> None:
    channels = trace(net.graph)
    made = cut(net.graph, net.weights, channels, Plan(graph_digest=channels.graph_digest))
    assert made.graph == net.graph
    assert made.weights == net.weights or all(
        made.weights[n][w] is a for n, ws in net.weights.items() for w, a in ws.items()
    )


def _differs(net: Net) -> bool:
    channels = trace(net.graph)
    plan = plan_uniform(channels, score("norm", net.graph, net.weights, channels), 0.5)
    made = cut(net.graph, net.weights, channels, plan)
    (ours,) = run(made.graph, dict(made.weights), [net.images])
    return rel_diff(ours, _reference(net, plan))[1] > REL_DIFF_LIMIT


def test_that_a_wrong_index_is_found_and_shrinks_to_a_small_net(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    depthwise = registered()["DepthwiseConv2D"]
    right = depthwise.trace

    def shifted_by_one(t: Tracer, call: Call, ins: Arrays) -> Arrays:
        return [np.roll(out, 1, axis=-1) for out in right(t, call, ins)]

    monkeypatch.setattr(depthwise, "trace", shifted_by_one)
    net = find(nets, _differs, settings=settings(relaxed, max_examples=300))
    assert [name for name, *_ in net.program] == ["depthwise"]
