"""Samples for exports: what a checker runs and what a converter calibrates on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.data import LoadedData, Preprocess

CHECK_SAMPLES = 512
CALIBRATION_SAMPLES = 256


def write_export_samples(data: LoadedData, preprocess: Preprocess, out: Path) -> None:
    """Write ``x``, ``y`` (search split) and ``calibration`` (training images), float32, as .npz."""
    check = data.search
    chosen = np.random.default_rng(0).permutation(len(data.train))[:CALIBRATION_SAMPLES]
    np.savez(
        out,
        x=preprocess.apply_numpy(check.images[:CHECK_SAMPLES]),
        y=check.labels[:CHECK_SAMPLES],
        calibration=preprocess.apply_numpy(data.train.images[np.sort(chosen)]),
    )
