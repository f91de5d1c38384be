"""The state of a fine-tune that a kill interrupted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.job import DataSpec, Job
from engine.runs import RunFolder
from engine.search import halfway
from engine.training.settings import FineTuneSettings
from engine.training.state import TrainState

SETTINGS = FineTuneSettings(epochs=3, learning_rate=0.1)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", Job(model="m", data=DataSpec(source="digits")))


def state(epoch: int) -> TrainState:
    return TrainState(epoch=epoch, arrays={"weight/0": np.arange(6.0).reshape(2, 3) + epoch})


def test_that_the_last_epoch_comes_back(folder: RunFolder) -> None:
    digest = halfway.digest_of(4, "ask", settings=SETTINGS)
    halfway.save(folder, digest, state(1))
    halfway.save(folder, digest, state(2))
    found = halfway.load(folder, digest)
    assert found is not None
    assert found.epoch == 2
    np.testing.assert_array_equal(found.arrays["weight/0"], state(2).arrays["weight/0"])
    assert set(found.arrays) == {"weight/0"}


def test_that_another_trial_or_other_settings_do_not_take_it_up(folder: RunFolder) -> None:
    halfway.save(folder, halfway.digest_of(4, "ask", settings=SETTINGS), state(1))
    other = FineTuneSettings(epochs=3, learning_rate=0.2)
    for digest in (
        halfway.digest_of(5, "ask", settings=SETTINGS),
        halfway.digest_of(4, "other", settings=SETTINGS),
        halfway.digest_of(4, "ask", settings=other),
    ):
        assert halfway.load(folder, digest) is None


def test_that_a_damaged_state_is_no_state(folder: RunFolder) -> None:
    digest = halfway.digest_of(4, "ask", settings=SETTINGS)
    halfway.save(folder, digest, state(1))
    path = folder.path / halfway.FILE
    path.write_bytes(path.read_bytes()[:100])
    assert halfway.load(folder, digest) is None


def test_that_nothing_is_left_after_the_trial(folder: RunFolder) -> None:
    halfway.save(folder, "d", state(1))
    halfway.forget(folder)
    halfway.forget(folder)
    assert list((folder.path / "checkpoints").iterdir()) == []
