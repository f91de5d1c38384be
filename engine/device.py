"""The machine as a run records it: device and versions. Engine process only.

Memory growth is switched on for GPUs, so that a search leaves room for others; without one the
memory of the process is limited.
"""

from __future__ import annotations

import os
import platform

import keras
import tensorflow as tf

import engine
from engine.confine import limit_memory
from engine.machine import cpu_name


def prepare_device() -> str:
    """Set up the accelerator, if there is one, and say what the engine runs on."""
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return f"GPU: {details.get('device_name', 'unknown')}"
    limit_memory()  # not beside a GPU, whose driver reserves addresses by the hundred GiB
    return f"CPU: {cpu_name()}, {os.cpu_count()} cores"


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return {
        "secateur": engine.__version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }
