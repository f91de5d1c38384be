"""Samples for exports: what a checker runs and what a converter calibrates on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.data import LoadedData, Preprocess

CHECK_SAMPLES = 512
CALIBRATION_SAMPLES = 256


def calibration_samples(data: LoadedData, preprocess: Preprocess) -> np.ndarray:
    """Training images ready for the model, float32 [at most 256, ...], evenly spread."""
    return preprocess.apply_numpy(data.train.sample(CALIBRATION_SAMPLES).images)


def write_export_samples(data: LoadedData, preprocess: Preprocess, out: Path) -> None:
    """Write ``x``, ``y`` (search split) and ``calibration`` (training images), float32, as .npz.

    Labels that only a data script's own metric understands are left out.
    """
    check = data.search.sample(CHECK_SAMPLES)
    arrays = {
        "x": preprocess.apply_numpy(check.images),
        "calibration": calibration_samples(data, preprocess),
    }
    if data.labels_are != "script":
        arrays["y"] = check.labels
    np.savez(out, **arrays)  # type: ignore[arg-type]  # numpy's stub takes **kwds for its flag
