"""Whole searches for masks on a small U-Net without norms: importance weights, and the default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from engine import api
from engine.events import GoalSet, TrialStarted
from engine.inspection import inspect_model
from engine.job import Budget, DataSpec, Goal, Job
from engine.runs import RunFolder
from tests.bench.mask_nets import train, unet

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

TOLERANCE = 0.05


def discs(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images [samples, 16, 24, 3] with a bright disc, and its mask."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:16, :24]
    centre = random.uniform(4, 12, (samples, 2)) * (1, 1.5)
    apart = np.hypot(
        rows - centre[:, 0, None, None], columns - centre[:, 1, None, None]
    )  # fmt: skip
    masks = apart < random.uniform(2, 5, (samples, 1, 1))
    images = random.integers(0, 120, (samples, 16, 24, 3)) + 120 * masks[..., None]
    return images.astype(np.uint8), masks[..., None].astype(np.uint8)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A trained model and its data."""
    folder = tmp_path_factory.mktemp("discs")
    (x_train, y_train), (x_test, y_test) = discs(256, 0), discs(120, 1)
    np.savez(
        folder / "discs.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test
    )  # fmt: skip
    keras.utils.set_random_seed(0)
    arrays = {"x_train": x_train, "y_train": y_train}
    train(unet((16, 24, 3), levels=2), arrays, 20).save(folder / "unet.keras")
    return folder / "unet.keras", folder / "discs.npz"


def search(material: tuple[Path, Path], run: Path, **changes: Any) -> dict[str, Any]:
    model, data = material
    job = Job(
        model=str(model), data=DataSpec(source=str(data), seen="no"),
        goal=Goal(tolerance=TOLERANCE), budget=Budget(epochs=4, max_trials=3), controls=False,
        **changes,
    )  # fmt: skip
    return api.prune(job, run)


@pytest.mark.parametrize(
    "changes", [{"strategy": "importance"}, {"criterion": "importance"}, {}], ids=str
)
def test_that_a_net_for_masks_gets_smaller_and_holds(
    material: tuple[Path, Path], tmp_path: Path, changes: dict[str, str]
) -> None:
    result = search(material, tmp_path / "run", **changes)
    assert result["metric"] == "iou"
    assert result["status"] == "met"
    before, after = result["baseline"], result["final"]
    assert before["report"] > 0.8
    assert after["params"] < before["params"]
    assert set(after["metrics"]) == {"iou", "dice", "mean_iou", "mean_dice", "pixel_accuracy"}
    iou, dice = after["metrics"]["iou"], after["metrics"]["dice"]
    assert iou == after["report"]
    assert dice == pytest.approx(2 * iou / (1 + iou))
    assert result["exports"][0]["checks"]["reloaded"]
    layers = inspect_model(tmp_path / "run" / "model.keras")["layers"]
    assert layers[-1]["output_shape"] == [16, 24, 1]


def test_that_a_new_goal_of_importance_weights_goes_on_from_what_holds(
    material: tuple[Path, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    first = search(material, run, strategy="importance")
    further = api.resume(run, tolerance=2 * TOLERANCE, max_trials=2)
    known, new = first["trials"], further["trials"][len(first["trials"]) :]
    assert [t["seconds"] for t in further["trials"][: len(known)]] == [t["seconds"] for t in known]
    tunes = [t for t in new if t["kind"] == "fine_tune"]
    assert 1 <= len(tunes) <= 2
    held = {t["id"] for t in known if t["accepted"]}
    assert held <= {t["id"] for t in further["trials"] if t["accepted"]}, "kept on disk or not"
    assert all(t["keep"] < 1.0 for t in new), "the whole net is not trained again"
    assert further["final"]["params"] <= first["final"]["params"]
    (goal,) = [e for e in RunFolder.open(run).events() if isinstance(e, GoalSet)]
    starts = [e for e in RunFolder.open(run).events() if isinstance(e, TrialStarted)]
    began = next(e for e in starts if e.trial == goal.first_trial)
    assert began.parent == goal.best
    shown = api.compare(run)
    masks = shown["masks"]
    lost = [before - after for before, after in zip(masks["before"], masks["after"], strict=True)]
    assert len(masks["samples"]) == len(set(masks["samples"])) == 24
    assert lost == sorted(lost, reverse=True)
    with Image.open(Path(shown["path"]).with_name(masks["file"])) as sheet:
        assert sheet.size == (4 * masks["width_px"], 24 * masks["height_px"])


def test_that_evaluate_tells_every_metric_of_masks(material: tuple[Path, Path]) -> None:
    model, data = material
    answer = api.evaluate(model, data)
    assert answer["metric"] == "iou"
    assert answer["metrics"]["iou"] == answer["value"]
    assert 0.9 < answer["metrics"]["pixel_accuracy"] <= 1.0
    other = api.evaluate(model, data, metric="pixel_accuracy")
    assert other["value"] == answer["metrics"]["pixel_accuracy"]


def test_that_another_ranking_is_refused(material: tuple[Path, Path], tmp_path: Path) -> None:
    from engine.errors import UserError

    with pytest.raises(UserError, match="ranks by what it trains"):
        search(material, tmp_path / "run", strategy="importance", criterion="norm")
