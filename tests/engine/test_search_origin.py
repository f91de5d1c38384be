"""Which original channels a cut model has: against the weights themselves, and in the journal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from engine import ranges
from engine.channels.groups import Channels
from engine.channels.trace import trace
from engine.events import LayerState, TrialDone, Why, dump_event, load_event
from engine.modelfile.graph import Weights
from engine.search.describe import layer_states
from engine.search.models import Candidate, cut_to, without_dead
from engine.search.origin import origins_told
from tests.engine.random_nets import Net, nets
from tests.engine.sketch import Sketch

relaxed = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def chain() -> tuple[Candidate, Channels]:
    """Three convolutions of 16, 24 and 12 channels and a classifier."""
    net = Sketch()
    x = net.input(8, 8, 3)
    for number, filters in enumerate((16, 24, 12), start=1):
        x = net.layer("Conv2D", x, name=f"conv{number}", filters=filters, kernel_size=[3, 3])
        x = net.layer("BatchNormalization", x, name=f"bn{number}")
    x = net.layer("GlobalAveragePooling2D", x)
    graph = net.graph([net.layer("Dense", x, name="head", units=5)])
    return Candidate(graph=graph, weights=net.weights), trace(graph)


def twice(candidate: Candidate, channels: Channels, criterion: str = "norm") -> Candidate:
    """Cut to 70 % of the channels, and from there to 40 %."""
    first = cut_to(candidate, 0.7, before=channels, criterion=criterion, seed=1)
    return cut_to(first, 0.4, before=channels, criterion=criterion, seed=2)


def test_that_the_filters_left_after_two_cuts_are_the_original_ones() -> None:
    whole, channels = chain()
    cut = twice(whole, channels)
    assert cut.origins is not None
    read = tuple(range(3))
    for name in ("conv1", "conv2", "conv3"):
        left = cut.origins[name]
        assert len(left) < whole.weights[name]["kernel"].shape[-1]
        wanted = whole.weights[name]["kernel"][:, :, read][..., left]
        np.testing.assert_array_equal(cut.weights[name]["kernel"], wanted)
        norm = f"bn{name[-1]}"
        assert cut.origins[norm] == left
        np.testing.assert_array_equal(
            cut.weights[norm]["gamma"], whole.weights[norm]["gamma"][list(left)]
        )
        read = left
    assert "head" not in cut.origins, "the classes are all there"


@relaxed
@given(nets, st.integers(0, 99))
def test_that_origins_are_true_in_any_net(net: Net, seed: int) -> None:
    """Each kernel and norm is filled with the number of the output channel that a value is for."""
    channels = trace(net.graph)
    numbered: Weights = {name: dict(arrays) for name, arrays in net.weights.items()}
    checked = []
    for axis in channels.axes:
        if axis.role == "out" or axis.weight == "gamma":
            array = numbered[axis.layer][axis.weight]
            shape = [1] * array.ndim
            shape[axis.axis] = -1
            values = np.arange(array.shape[axis.axis], dtype=np.float32).reshape(shape)
            numbered[axis.layer][axis.weight] = np.broadcast_to(values, array.shape)
            checked.append(axis)
    whole = Candidate(graph=net.graph, weights=numbered)
    first = cut_to(whole, 0.7, before=channels, criterion="random", seed=seed)
    cut = cut_to(first, 0.4, before=channels, criterion="random", seed=seed + 1)
    assert cut.origins is not None
    event(f"{len(cut.origins) > 0} that a layer was cut")
    for axis in checked:
        array = np.moveaxis(cut.weights[axis.layer][axis.weight], axis.axis, -1)
        wanted = cut.origins.get(axis.layer, tuple(range(array.shape[-1])))
        np.testing.assert_array_equal(array, np.broadcast_to(np.float32(wanted), array.shape))


def test_that_swept_channels_are_gone_from_the_origins_too() -> None:
    whole, channels = chain()
    cut = cut_to(whole, 0.7, before=channels, criterion="norm")
    assert cut.origins is not None
    arrays = {name: dict(found) for name, found in cut.weights.items()}
    read = arrays["head"]["kernel"].copy()
    read[2] = 0.0
    arrays["head"]["kernel"] = read
    swept = without_dead(replace(cut, weights=arrays), channels)
    assert swept.origins is not None
    before = cut.origins["conv3"]
    assert swept.origins["conv3"] == (*before[:2], *before[3:])


def rows_of(candidate: Candidate, whole: Candidate, channels: Channels) -> tuple[LayerState, ...]:
    return layer_states(
        candidate.graph, channels, weights=candidate.weights, before=whole.graph,
        origins=candidate.origins,
    )  # fmt: skip


def done(layers: tuple[LayerState, ...]) -> TrialDone:
    return TrialDone(
        trial=1, kind="fine_tune", step="channels", keep=0.4, sparsity=0.0, value=0.9,
        accepted=True, best=True, epochs=1, seconds=1.0, sizes=None, layers=layers,
        checkpoint=None, why=Why(code="held"),
    )  # fmt: skip


def test_that_a_resume_goes_on_from_what_the_journal_says() -> None:
    whole, channels = chain()
    first = cut_to(whole, 0.7, before=channels, criterion="norm")
    told = load_event(dump_event(done(rows_of(first, whole, channels))))
    assert isinstance(told, TrialDone)
    recalled = replace(first, origins=origins_told(told.layers))
    assert recalled.origins == first.origins
    on = cut_to(recalled, 0.4, before=channels, criterion="norm")
    assert on.origins == cut_to(first, 0.4, before=channels, criterion="norm").origins
    assert origins_told(rows_of(whole, whole, channels)) == {}


def test_that_a_run_that_does_not_tell_stays_one_that_does_not_know() -> None:
    whole, channels = chain()
    first = cut_to(whole, 0.7, before=channels, criterion="norm")
    line = dump_event(done(rows_of(replace(first, origins=None), whole, channels)))
    told = load_event(line.replace(b',"kept":null', b""))
    assert isinstance(told, TrialDone)
    assert origins_told(told.layers) is None
    on = cut_to(replace(first, origins=None), 0.4, before=channels, criterion="norm")
    assert on.origins is None
    assert all(row.kept is None for row in rows_of(on, whole, channels))


@given(st.sets(st.integers(0, 300)))
def test_that_numbers_come_back_from_their_text(numbers: set[int]) -> None:
    rising = tuple(sorted(numbers))
    assert ranges.from_text(ranges.to_text(rising)) == rising


def test_that_runs_are_short() -> None:
    assert ranges.to_text((0, 1, 2, 3, 7, 9, 10)) == "0-3 7 9-10"
    assert ranges.to_text(()) == ""
    with pytest.raises(ValueError, match="invalid literal"):
        ranges.from_text("a-b")
