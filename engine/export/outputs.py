"""Outputs of a TFLite file on many samples, for a helper process. Imports no TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engine.export.litert import open_interpreter, run_file


def file_outputs(payload: Any) -> Any:
    """Run ``path`` on ``x`` of the .npz ``samples`` and write its output to ``out``.

    Several outputs are put side by side, flat ``(n, k)``.

    Parameters
    ----------
    payload
        ``path``, ``samples``, ``out`` (an .npy to write) and ``inputs`` (names, in order).
    """
    with np.load(payload["samples"], allow_pickle=False) as file:
        samples = file["x"]
    interpreter = open_interpreter(Path(payload["path"]))
    outputs = run_file(interpreter, payload["inputs"], [samples])
    if len(outputs) > 1:
        flat = [output.reshape(len(output), -1) for output in outputs]
        outputs = (np.concatenate(flat, axis=1),)
    np.save(payload["out"], outputs[0])
    return {"samples": len(samples)}
