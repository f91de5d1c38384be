"""The room as a whole: what importing it costs, and that its words fit together."""

from __future__ import annotations

import subprocess
import sys

from engine import data
from engine.data.metrics import METRICS


def test_that_importing_the_room_brings_no_heavy_library() -> None:
    code = (
        "import sys, engine.data;"
        "heavy = {'tensorflow', 'keras', 'scipy', 'sklearn', 'h5py', 'PySide6'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_that_every_public_name_is_there() -> None:
    for name in data.__all__:
        assert hasattr(data, name)


def test_that_tasks_and_metrics_know_each_other() -> None:
    from engine.data.task import _METRICS

    for kind, metric in _METRICS.items():
        assert kind in METRICS[metric].kinds
        assert METRICS[metric].higher_is_better == (kind != "regression")
