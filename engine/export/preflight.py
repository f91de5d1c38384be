"""Will pruning help this model? Answered in seconds, before any search.

Owns the measurements: how much of the model can be removed at all, and size and latency of
narrower copies on this computer. The copies are cut at random: their size and speed are those of
any cut to that width, their accuracy is not looked at. It imports neither Keras nor TensorFlow;
conversion and timing run in a helper process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import jsonio
from engine.channels.cost import cost
from engine.channels.groups import Channels
from engine.channels.plan import plan_uniform
from engine.channels.surgery import cut
from engine.channels.trace import trace
from engine.criteria import score
from engine.events import Latency
from engine.export.latency import latency_pair
from engine.export.parts import write_parts
from engine.export.request import SizesRequest
from engine.export.server import Caller
from engine.export.sizes import MEASURE_TIMEOUT_S, FileSizes
from engine.export.sparse_speed import SparseSpeed, sparse_speed
from engine.modelfile.graph import LayerGraph, Weights

KEEPS = (0.75, 0.5, 0.25)
ROUND_TO = 8
RUNS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """A copy at one keep ratio: counts and TFLite bytes are exact, latencies are measured.

    ``keep`` is the share of removable channels asked for (widths are multiples of 8, on which
    runtimes are fast), 1 the model as it is. ``int8`` figures are None where int8 cannot be made.
    """

    keep: float
    params: int
    macs: int | None
    sizes: FileSizes
    latency_ms: Latency
    latency_int8_ms: Latency | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What can be gained. Shares are 0..1.

    ``params_removable`` and ``macs_removable``: what is gone when every removable group is cut to
    one channel. ``time_removable``: the same of the measured latency at the narrowest copy.
    """

    params_removable: float
    macs_removable: float | None
    time_removable: float
    groups: int
    groups_pinned: int
    widths: tuple[Width, ...]
    sparse_speed: SparseSpeed


def preflight(
    graph: LayerGraph,
    weights: Weights,
    *,
    caller: Caller,
    keeps: Sequence[float] = KEEPS,
    threads: int = 2,
    runs: int = RUNS,
    seed: int = 0,
) -> Preflight:
    """Measure narrower copies of a model.

    Parameters
    ----------
    graph, weights
        The model; all sizes known.
    caller
        A :class:`~engine.export.server.HelperProcess`'s ``call``.
    keeps
        Shares of every removable group to measure at.
    threads, runs
        Of the latency measurement, in which all files take turns.

    Raises
    ------
    SecateurError
        Where the model cannot be converted to TFLite.
    """
    channels = trace(graph)
    copies = [(1.0, graph, weights)]
    copies += [(keep, *_narrow(graph, weights, channels, keep, seed=seed)) for keep in keeps]
    with tempfile.TemporaryDirectory(prefix="secateur-") as folder:
        files = [
            _convert(Path(folder, str(index)), copy_graph, copy_weights, caller)
            for index, (_, copy_graph, copy_weights) in enumerate(copies)
        ]
        paths = [path for _, floats, int8 in files for path in (floats, int8) if path is not None]
        timed = dict(
            zip(paths, latency_pair(paths, threads=threads, runs=runs, caller=caller), strict=True)
        )
    widths = tuple(
        Width(
            keep=keep,
            params=copy_graph.params,
            macs=cost(copy_graph).macs,
            sizes=sizes,
            latency_ms=timed[floats],
            latency_int8_ms=None if int8 is None else timed[int8],
        )
        for (keep, copy_graph, _), (sizes, floats, int8) in zip(copies, files, strict=True)
    )
    least, _ = _narrow(graph, weights, channels, 0.0, seed=seed, round_to=1)
    macs, least_macs = widths[0].macs, cost(least).macs
    fastest = min(width.latency_ms.median for width in widths)
    return Preflight(
        params_removable=1 - least.params / max(1, graph.params),
        macs_removable=None if not macs or least_macs is None else 1 - least_macs / macs,
        time_removable=1 - fastest / widths[0].latency_ms.median,
        groups=len(channels.groups),
        groups_pinned=sum(not group.prunable for group in channels.groups),
        widths=widths,
        sparse_speed=sparse_speed(graph),
    )


def _narrow(
    graph: LayerGraph,
    weights: Weights,
    channels: Channels,
    keep: float,
    *,
    seed: int,
    round_to: int = ROUND_TO,
) -> tuple[LayerGraph, Weights]:
    """A copy with a random share of every removable group; the model itself where none is."""
    if not any(group.prunable for group in channels.groups):
        return graph, weights
    scores = score("random", graph, weights, channels, seed=seed)
    made = cut(graph, weights, channels, plan_uniform(channels, scores, keep, round_to))
    return made.graph, made.weights


def _convert(
    folder: Path, graph: LayerGraph, weights: Weights, caller: Caller
) -> tuple[FileSizes, Path, Path | None]:
    """Float32 and int8 files of a copy; None for int8 where it cannot be made."""
    folder.mkdir()
    write_parts(folder, graph, weights)
    floats, int8 = folder / "float.tflite", folder / "int8.tflite"
    request = SizesRequest(source=str(folder), tflite=str(floats), tflite_int8=str(int8))
    answer = caller("engine.export.convert:sizes", request, timeout_s=MEASURE_TIMEOUT_S)
    return jsonio.from_plain(answer, FileSizes), floats, int8 if int8.exists() else None
