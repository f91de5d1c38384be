"""A fine-tune's state on disk after each epoch, so that a kill costs at most one.

Owns the file ``checkpoints/halfway.npz``: arrays by name, without pickle, bound to one trial by the
digest of what was asked. One at a time: the next trial's replaces it.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine import jsonio
from engine.runs import CHECKPOINTS, RunFolder
from engine.training.settings import FineTuneSettings
from engine.training.state import TrainState

FILE = f"{CHECKPOINTS}/halfway.npz"
_EPOCH, _DIGEST = "halfway/epoch", "halfway/digest"


def digest_of(trial: int, *asked: object, settings: FineTuneSettings) -> str:
    """What a state belongs to: the trial's number, its ask and its settings.

    Not the size of batches: where memory ran out, the same trial goes on with smaller ones.
    """
    return hashlib.sha256(
        jsonio.dumps([trial, replace(settings, batch_size=1), *asked])
    ).hexdigest()


def save(folder: RunFolder, digest: str, state: TrainState) -> None:
    """Put the state on disk, whole."""
    arrays = {
        **state.arrays,
        _EPOCH: np.array(state.epoch),
        _DIGEST: np.frombuffer(digest.encode(), np.uint8),
    }

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes **kwds for its flag

    folder.save_whole(FILE, write)


def load(folder: RunFolder, digest: str) -> TrainState | None:
    """The state that belongs to this digest; None where there is none, or a damaged one."""
    try:
        with (folder.path / FILE).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    if bytes(arrays.pop(_DIGEST, np.zeros(0, np.uint8))).decode() != digest:
        return None
    return TrainState(epoch=int(arrays.pop(_EPOCH)), arrays=arrays)


def forget(folder: RunFolder) -> None:
    """The trial ended: its halfway state is of no use any more."""
    (folder.path / FILE).unlink(missing_ok=True)
