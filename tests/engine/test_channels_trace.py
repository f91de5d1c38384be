"""What a trace tells people and the other rooms: ties, pins with reasons, weight positions."""

from __future__ import annotations

import sys
from subprocess import run

import numpy as np
import pytest

from engine.channels.cost import cost
from engine.channels.plan import Plan
from engine.channels.surgery import cut
from engine.channels.trace import NO_CHANNELS, trace
from tests.engine.sketch import Sketch, ref


def _head(s: Sketch, x: int) -> int:
    return s.layer("Dense", s.layer("GlobalAveragePooling2D", x), "logits", units=3)


def _conv(s: Sketch, x: int, name: str, filters: int, size: int = 1, **config: object) -> int:
    return s.layer("Conv2D", x, name, filters=filters, kernel_size=[size, size], **config)


def test_that_tracing_needs_neither_keras_nor_tensorflow() -> None:
    code = (
        "import sys, engine.channels, engine.channels.surgery, engine.channels.oracle, "
        "engine.criteria; sys.exit(any(m in sys.modules for m in ('keras', 'tensorflow', "
        "'tf_keras', 'PySide6')))"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0


def test_that_an_add_ties_and_a_concat_does_not() -> None:
    s = Sketch()
    x = s.input(4, 4, 3)
    a, b, c = (_conv(s, x, n, 5) for n in "abc")
    y = s.layer("Concatenate", [s.layer("Add", [a, b]), c])
    channels = trace(s.graph([_head(s, y)]))
    assert channels.layer_group("a") == channels.layer_group("b") == "g1"
    assert channels.layer_group("c") == "g2"
    units = channels.weight_units("logits", "kernel", 0)
    assert units is not None
    assert units.tolist() == list(range(10))
    assert channels.weight_role("logits", "kernel", 0) == "in"


def test_that_a_residual_to_the_input_is_pinned_by_it() -> None:
    s = Sketch()
    x = s.input(4, 4, 3)
    y = s.layer("Add", [x, _conv(s, x, "a", 3)])
    channels = trace(s.graph([_head(s, y)]))
    assert channels.layer_reason("a") == "is tied to the model input 'input_0'"


def test_that_flatten_ties_each_channel_over_its_pixels() -> None:
    s = Sketch()
    x = s.layer("Flatten", _conv(s, s.input(2, 2, 3), "a", 4))
    channels = trace(s.graph([s.layer("Dense", x, "logits", units=2)]))
    units = channels.weight_units("logits", "kernel", 0)
    assert units is not None
    assert units.tolist() == [0, 1, 2, 3] * 4


def test_that_an_unknown_layer_pins_by_name() -> None:
    s = Sketch()
    x = _conv(s, s.input(4, 4, 3), "a", 4)
    (y,) = s.op("Cross", ref(x), ref(x))
    s.tensors[y] = s.tensors[x]
    channels = trace(s.graph([_head(s, y)]))
    name = s.nodes[2].layer
    assert channels.layer_reason("a") == f"layer '{name}' of class Cross is not known to Secateur"
    assert channels.layer_reason(name) == channels.layer_reason("a")


def test_that_a_pin_in_one_part_leaves_the_rest_removable() -> None:
    s = Sketch()
    x = _conv(s, s.input(4, 4, 3), "a", 6)
    left, right = s.op("Split", ref(x), outputs=2, indices_or_sections=[2], axis=-1)
    y = s.layer("Concatenate", [s.layer("Softmax", left, "soft"), right])
    graph = s.graph([_head(s, y)])
    channels = trace(graph)
    (group, _) = channels.groups
    assert (group.prunable, group.pinned) == (True, 2)
    assert group.reason == "softmax 'soft' is computed over them"
    assert channels.removable_units("g1").tolist() == [False] * 2 + [True] * 4
    made = cut(
        graph, s.weights, channels,
        Plan(graph_digest=channels.graph_digest, keep={"g1": (0, 1, 4)}),
    )  # fmt: skip
    assert made.graph.layers["a"].config["filters"] == 3
    assert made.weights["logits"]["kernel"].shape == (3, 3)


def test_that_a_gate_spread_over_channels_is_pinned() -> None:
    s = Sketch()
    x = _conv(s, s.input(4, 4, 3), "a", 6)
    y = s.layer("Multiply", [x, _conv(s, x, "gate", 1, activation="sigmoid")], "times")
    channels = trace(s.graph([_head(s, y)]))
    assert channels.layer_reason("gate") == "'times' spreads it over the channels of another"
    assert channels.layer_reason("a") is None


def test_that_reading_along_another_axis_pins() -> None:
    s = Sketch()
    x = s.layer("Permute", _conv(s, s.input(4, 5, 3), "a", 6), dims=[3, 1, 2])
    channels = trace(s.graph([_head(s, _conv(s, x, "b", 7))]))
    assert channels.layer_reason("a") == "layer 'b' reads them as positions"
    assert channels.layer_reason("b") is None


def test_that_the_last_channel_of_a_part_stays() -> None:
    s = Sketch()
    x = _conv(s, s.input(4, 4, 3), "a", 5)
    one, rest = s.op("Split", ref(x), outputs=2, indices_or_sections=[1], axis=-1)
    y = s.layer("Concatenate", [_conv(s, one, "b", 2), _conv(s, rest, "c", 2)])
    channels = trace(s.graph([_head(s, y)]))
    assert channels.removable_units("g1").tolist() == [False, True, True, True, True]
    assert channels.group("g1").reason == "is the only channel of a tensor"


def test_that_layers_without_channels_say_so() -> None:
    s = Sketch()
    x = s.layer("ReLU", _conv(s, s.input(4, 4, 3), "a", 4), "relu")
    channels = trace(s.graph([_head(s, x)]))
    assert channels.layer_reason("relu") == NO_CHANNELS
    assert channels.layer_group("relu") is None


def test_that_softmax_in_the_last_layer_is_named_by_the_output() -> None:
    s = Sketch()
    x = s.layer("GlobalAveragePooling2D", _conv(s, s.input(4, 4, 3), "a", 4))
    channels = trace(s.graph([s.layer("Dense", x, "p", units=3, activation="softmax")]))
    assert channels.layer_reason("p") == "feeds the model output"


@pytest.mark.parametrize(
    ("kind", "config", "macs"),
    [
        ("Conv2D", {"filters": 8, "kernel_size": [3, 3]}, 8 * 8 * 9 * 6 * 8),
        ("Conv2D", {"filters": 8, "kernel_size": [3, 3], "strides": [2, 2]}, 4 * 4 * 9 * 6 * 8),
        ("Conv2D", {"filters": 8, "kernel_size": [1, 1], "groups": 2}, 10 * 10 * 3 * 8),
        ("DepthwiseConv2D", {"kernel_size": [3, 3], "depth_multiplier": 2}, 8 * 8 * 9 * 6 * 2),
        ("SeparableConv2D", {"filters": 5, "kernel_size": [3, 3]}, 8 * 8 * (9 * 6 + 6 * 5)),
        ("Conv2DTranspose", {"filters": 5, "kernel_size": [2, 2], "strides": [2, 2]},
         10 * 10 * 4 * 6 * 5),
        ("Dense", {"units": 7}, 10 * 10 * 6 * 7),
        ("BatchNormalization", {}, 0),
    ],
)  # fmt: skip
def test_that_macs_are_multiply_adds_of_a_sample(
    kind: str, config: dict[str, object], macs: int
) -> None:
    s = Sketch()
    graph = s.graph([s.layer(kind, s.input(10, 10, 6), "it", **config)])
    found = cost(graph)
    assert found.macs == found.layers["it"].macs == macs
    assert found.params == sum(a.size for a in s.weights["it"].values())


def test_that_a_shared_layer_costs_once_in_params_and_per_call_in_macs() -> None:
    s = Sketch()
    x = _conv(s, s.input(4, 4, 3), "shared", 3)
    graph = s.graph([s.again("shared", x)])
    assert cost(graph).macs == 2 * 4 * 4 * 3 * 3
    assert cost(graph).params == 3 * 3 + 3


def test_that_equal_numbers_leave_each_group_of_a_convolution() -> None:
    s = Sketch()
    x = _conv(s, s.input(4, 4, 3), "a", 6)
    x = _conv(s, x, "g", 9, groups=3)
    channels = trace(s.graph([_head(s, x)]))
    units = channels.weight_units("a", "kernel", 3)
    assert units is not None
    assert units.tolist() == [0, 1, 0, 1, 0, 1]
    assert channels.group("g2").channels == 3
    assert np.array_equal(channels.units("g2"), [2, 3, 4])


def test_that_calls_of_a_shared_reshape_are_cut_alike() -> None:
    s = Sketch()
    x = s.input(4, 4, 3)
    a, b = _conv(s, x, "a", 4), _conv(s, x, "b", 4)
    rows = [s.layer("Reshape", a, "rows", target_shape=[16, 4]), s.again("rows", b)]
    y = s.layer("GlobalAveragePooling1D", s.layer("Concatenate", rows))
    graph = s.graph([s.layer("Dense", y, units=2)])
    channels = trace(graph)
    assert channels.layer_group("a") == channels.layer_group("b")
    plan = Plan(graph_digest=channels.graph_digest, keep={"g1": (1, 2)})
    made = cut(graph, s.weights, channels, plan)
    assert made.graph.layers["rows"].config["target_shape"] == [16, 2]


def test_that_the_noise_shape_of_a_dropout_follows() -> None:
    s = Sketch()
    x = _conv(s, s.input(4, 4, 3), "a", 4)
    x = s.layer("Dropout", x, "drop", rate=0.5, noise_shape=[None, 1, 1, 4])
    graph = s.graph([_head(s, x)])
    channels = trace(graph)
    plan = Plan(graph_digest=channels.graph_digest, keep={"g1": (1, 2)})
    made = cut(graph, s.weights, channels, plan)
    assert made.graph.layers["drop"].config["noise_shape"] == [None, 1, 1, 2]
