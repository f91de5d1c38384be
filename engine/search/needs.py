"""What a search will need of this computer: disk, memory, time; estimated before it starts.

Owns the arithmetic and the limits from which a person is told, or refused. The estimates are upper
bounds, rounded up from what nets of some sizes were seen to take; none is a promise.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from engine import events as ev
from engine.confine import free_memory_bytes
from engine.data.store import StreamedArray
from engine.errors import UserError
from engine.search.context import Context, Emit, activations
from engine.telling.units import size
from engine.training.settings import steps_per_epoch

LONG_S = 3600.0
"""A search that may take longer is said to, before it starts."""

PROCESSES_BYTES = 1_500_000_000
"""Two processes with TensorFlow in them, before any model: the engine and its helper."""

RUN_BYTES = 20_000_000
"""Journal, logs, report, thumbnails."""

_FLOAT = 4
_FILES = 12  # beside checkpoints: two halfway states of weights, slots and masks; model; exports
_COPIES = 6  # of the weights: model, gradients, optimiser slots, the dense one, the candidate
_STEP = 3  # of the activations: forward, their gradients, what operations take meanwhile


def estimate(context: Context, run: Path, *, fine_tunes: int) -> ev.NeedsEstimated:
    """What a search with so many fine-tunes to come needs at most, beside what is free."""
    graph, settings = context.file.graph, context.settings
    weights = _FLOAT * graph.params
    batches = _FLOAT * settings.batch_size * activations(graph)
    parts = (context.data.train, context.data.search, context.data.report)
    in_memory = [p.images.nbytes for p in parts if not isinstance(p.images, StreamedArray)]
    seconds = None
    if context.step_s is not None:
        each = steps_per_epoch(len(context.data.train), settings.batch_size) * context.epochs
        trainings = fine_tunes * (2 if context.job.controls else 1)
        seconds = context.step_s * each * trainings
        if context.job.budget.time_s is not None:
            seconds = min(seconds, context.job.budget.time_s)
    return ev.NeedsEstimated(
        disk_bytes=RUN_BYTES + weights * (fine_tunes + _FILES),
        disk_free_bytes=shutil.disk_usage(run).free,
        memory_bytes=PROCESSES_BYTES
        + sum(in_memory)
        + _STEP * batches
        + weights * (fine_tunes + _COPIES),
        memory_free_bytes=free_memory_bytes(),
        seconds=seconds,
    )


def check(needs: ev.NeedsEstimated, run: Path, *, limited: bool, emit: Emit) -> None:
    """Tell the estimate and what of it a person should think about before the search starts.

    Parameters
    ----------
    limited
        Whether the time was limited already.

    Raises
    ------
    UserError
        Where the files will not fit on the disk.
    """
    emit(needs)
    room, memory, seconds = needs.disk_free_bytes, needs.memory_free_bytes, needs.seconds
    if room is not None and room < needs.disk_bytes:
        raise UserError(
            "disk.too_small",
            f"The search may need {size(needs.disk_bytes)} on the disk of the run folder, and"
            f" {size(room)} are free there: {run}.",
            "Make room, choose another place with --out, or give a smaller --max-trials.",
        )
    if memory is not None and memory < needs.memory_bytes:
        emit(
            ev.Warned(
                code="memory.short",
                message=f"The search may need {size(needs.memory_bytes)} of memory, and"
                f" {size(memory)} are free; a smaller --batch-size needs less.",
            )
        )
    if seconds is not None and seconds > LONG_S and not limited:
        emit(
            ev.Warned(
                code="time.long",
                message=f"The search may take up to {seconds / 3600:.1f} hours. It can be stopped"
                " and resumed at any time; a time limit (--time 50m) ends it with the best so far.",
            )
        )
