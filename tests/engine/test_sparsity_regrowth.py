"""Masks that move while a model is trained."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from engine.sparsity.masks import Masks
from engine.sparsity.regrowth import regrown, share_at
from engine.sparsity.settings import Ramp, SparsitySettings
from tests.engine.training_nets import small_net

RAMP = Ramp(begin=1, end=61, frequency=5)
KEY = ("second", "kernel")


def test_that_the_share_falls_to_nothing_by_the_end_of_the_ramp() -> None:
    shares = [share_at(step, RAMP, 0.4) for step in range(1, 80)]
    assert shares[0] == 0.4
    assert shares[30] == pytest.approx(0.2)
    assert shares == sorted(shares, reverse=True)
    assert not any(shares[60:])


def test_that_the_smallest_make_room_for_what_was_moved_the_farthest() -> None:
    weight = np.array([[5.0, -0.1, 3.0, 0.2], [-0.03, 0.06, 0.0, 0.01]])
    mask = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    after = regrown(weight, mask, 0.5)
    assert (after == [[1, 0, 1, 0], [1, 1, 0, 0]]).all()
    assert mask.sum(axis=1).tolist() == [4, 0], "what was given is not changed"


def test_that_a_zero_that_nothing_moved_does_not_come_back() -> None:
    weight = np.array([1.0, 2.0, 3.0, 0.0, 0.0, -0.5])
    mask = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    assert regrown(weight, mask, 1.0).tolist() == [0, 1, 1, 0, 0, 1]
    assert regrown(np.zeros(6), mask, 1.0) is mask


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_that_as_many_are_left_as_before(share: float) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(3, 3, 8, 16))
    mask = (rng.random(weight.shape) < 0.3).astype(np.float32)
    after = regrown(weight, mask, share)
    assert after.sum() == mask.sum()
    assert set(np.unique(after)) == {0.0, 1.0}
    moved = int(((after == 1) & (mask == 0)).sum())
    assert moved == int(share * mask.sum())


def stepped(settings: SparsitySettings, steps: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The masks after every step of a fine-tune of noise, and the kernel at its end."""
    model = small_net()
    kernel = model.get_layer(KEY[0]).kernel
    masks, rng, seen = Masks(model, settings, steps), np.random.default_rng(0), []
    for step in range(1, steps + 1):
        masks.begin_step(step)
        masks.apply()
        kernel.assign_add(0.01 * rng.normal(size=kernel.shape))
        seen.append(masks.state()[":".join(KEY)])
    masks.finish()
    return seen, kernel.numpy()


def test_that_weights_come_back_while_the_ramp_lasts_and_its_levels_hold() -> None:
    plain, _ = stepped(SparsitySettings(targets={KEY: 0.75}), 60)
    seen, kernel = stepped(SparsitySettings(targets={KEY: 0.75}, regrow=0.3), 60)
    came_back = [int(((b == 1) & (a == 0)).sum()) for a, b in itertools.pairwise(seen)]
    assert sum(came_back[:35]) > 20
    assert not any(came_back[35:]), "the zeros stand still for the rest of the fine-tune"
    assert [m.sum() for m in seen] == [m.sum() for m in plain]
    assert np.count_nonzero(kernel) == round(0.25 * kernel.size)


def test_that_zeros_there_are_move_where_no_more_is_asked() -> None:
    model = small_net()
    kernel = model.get_layer(KEY[0]).kernel
    value = kernel.numpy()
    value[np.abs(value) < np.median(np.abs(value))] = 0
    kernel.assign(value)
    masks = Masks(model, SparsitySettings(targets={KEY: 0.3}, regrow=0.3), 60)
    before = masks.state()[":".join(KEY)]
    for step in range(1, 61):
        masks.begin_step(step)
        masks.apply()
        kernel.assign_add(np.full(kernel.shape, 0.05))
    after = masks.state()[":".join(KEY)]
    assert after.sum() == before.sum()
    assert (after != before).any()


def test_that_a_share_is_a_share() -> None:
    with pytest.raises(ValueError, match="regrow"):
        SparsitySettings(regrow=1.5)
