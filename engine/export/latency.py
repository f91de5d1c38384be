"""Latency of TFLite files on this computer, measured side by side.

Owns :func:`latency_pair`. The runtime lives in a helper process.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine import childproc, jsonio
from engine.events import Latency
from engine.export.server import Caller

TIMEOUT_S = 600.0


def latency_pair(
    paths: Sequence[Path], *, threads: int = 2, runs: int = 50, caller: Caller = childproc.call
) -> list[Latency]:
    """Time several TFLite files in one process, in turn, at batch 1.

    Each round calls every file once, so that whatever else the machine does meets all of them.

    Parameters
    ----------
    paths
        The files: the dense model's first, by custom.
    threads
        Threads of each runtime.
    runs
        Rounds that count, after a warm-up, at least.

    Returns
    -------
    list of Latency
        In the order of ``paths``.
    """
    payload = {"paths": [str(p.absolute()) for p in paths], "threads": threads, "runs": runs}
    answer = caller("engine.export.litert:time_files_child", payload, timeout_s=TIMEOUT_S)
    return [jsonio.from_plain(one, Latency) for one in answer]
