"""What a dropped or chosen path is: a model, data, or a run. By name and place only; no Qt."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from engine.runs import JOB

Kind = Literal["model", "data", "run"]

MODEL_FILTER = "Models (*.keras *.h5 *.hdf5 *.json *.tflite saved_model.pb);;All files (*)"
WEIGHTS_FILTER = "Weights (*.h5 *.hdf5);;All files (*)"
CUSTOM_FILTER = "Python files (*.py)"
DATA_FILTER = "Labelled data (*.npz *.npy *.h5 *.hdf5 *.csv *.py);;All files (*)"
_IN_SAVEDMODEL = frozenset({"saved_model.pb", "keras_metadata.pb"})
HDF5 = frozenset({".h5", ".hdf5"})


def model_place(path: Path) -> Path:
    """The folder of a SavedModel where one of its files was chosen; else the path itself."""
    return path.parent if path.name in _IN_SAVEDMODEL else path


def kind_of(path: Path, *, has_model: bool, has_data: bool) -> Kind:
    """What to take a path for; HDF5 may be either, so it fills what is still missing."""
    suffix = path.suffix.lower()
    if path.is_dir():
        if (path / JOB).is_file():
            return "run"
        return "model" if (path / "saved_model.pb").is_file() else "data"
    if suffix == ".keras" or suffix == ".tflite":
        return "model"
    if suffix in HDF5:
        return "data" if has_model and not has_data else "model"
    return "data" if suffix in {".npz", ".npy", ".csv", ".py"} else "model"
