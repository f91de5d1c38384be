"""The documented entries behind the commands: inspect, slim, evaluate, prune, export.

Each returns the plain data that the command prints with ``--json``. Importing this module is
light; what needs Keras runs in a process of its own, so that neither a damaged file nor a library
that aborts can take the caller down.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import jsonio, runs
from engine.errors import EngineFailure, UserError
from engine.events import Event
from engine.job import Job
from engine.runstate import RunState, fold

if TYPE_CHECKING:
    from engine.modelfile.graph import LayerGraph
    from engine.supervise import EngineProcess

TASK_TIMEOUT_S = 3600.0


def inspect(
    model: str | Path,
    *,
    input_shape: Sequence[int] | None = None,
    weights: str | Path | None = None,
    custom: str | Path | None = None,
) -> dict[str, Any]:
    """Layers, channel groups, params, MACs and zeros of a model file, without running anything.

    Parameters
    ----------
    input_shape
        Without the batch axis; for a model that leaves sizes open.
    weights
        The weights file of a model that is an architecture in JSON.
    custom
        A Python file with the model's custom layers; it is read here, not run. The other commands
        run it, where :func:`engine.modelfile.consent.allow` was called for it.

    Raises
    ------
    UserError
        Where the file cannot be opened.
    """
    from engine.inspection import inspect_model

    return inspect_model(
        Path(model),
        input_shape=None if input_shape is None else tuple(input_shape),
        weights=_path(weights),
        custom=_path(custom),
    )


def slim(
    model: str | Path,
    out: str | Path,
    *,
    keep: float | Mapping[str, float] | None = None,
    plan: str | Path | None = None,
    sparsity: float | Mapping[str, float] | None = None,
    floors: Mapping[str, float] | None = None,
    criterion: str = "auto",
    across: bool = False,
    exclude: Sequence[str] = (),
    through_norms: bool = False,
    round_to: int = 1,
    seed: int = 0,
    save_plan: str | Path | None = None,
    force: bool = False,
    weights: str | Path | None = None,
    custom: str | Path | None = None,
) -> dict[str, Any]:
    """Cut every removable group to ``keep`` of its channels, without data or training.

    Parameters
    ----------
    keep
        A share, or shares by group id, layer or pattern; groups that none of them names stay whole,
        and of two names for one group the later counts.
    plan
        A JSON file that ``save_plan`` wrote, to apply instead of choosing by ``keep``.
    sparsity
        Share of zeros, the smallest, in each kernel of the result; or shares by layer or pattern.
    floors
        Shares of its channels that a group keeps whatever ``keep`` says, by the same names.
    across
        One threshold over all groups instead of the same share of each.
    exclude
        Layers to leave alone, by name or pattern, or groups by id.
    through_norms
        Cut through layer, group and unit norms too, which changes their statistics.

    Raises
    ------
    UserError
        Where the file cannot be opened, ``keep`` is no share, or ``out`` exists.
    """
    if keep is None and plan is None and sparsity is not None:
        keep = 1.0
    if (keep is None) == (plan is None):
        raise UserError(
            "keep.or_plan",
            f"Either a share to keep or a plan is needed: {keep} and {plan}.",
            "Give one of them.",
        )
    for path in (out, save_plan):
        if path is not None:
            check_free(Path(path), force=force)
    return _task(
        "engine.tasks:slim",
        model=str(model), out=str(out), keep=_shares(keep), sparsity=_shares(sparsity),
        floors=dict(floors or {}), plan=None if plan is None else str(plan),
        criterion=criterion, across=across, exclude=list(exclude), through_norms=through_norms,
        round_to=round_to, seed=seed, save_plan=None if save_plan is None else str(save_plan),
        weights=_text(weights), custom=_text(custom),
    )  # fmt: skip


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    split: str = "all",
    test: str | None = None,
    metric: str | None = None,
    preprocess: str = "auto",
    seen: str = "unknown",
    group_by: str | None = None,
    ignore_label: int | None = None,
    label_order: str = "given",
    preview: str | Path | None = None,
    weights: str | Path | None = None,
    custom: str | Path | None = None,
) -> dict[str, Any]:
    """The metric of a model on a split (``search``, ``report``, or ``all``: both together).

    Parameters
    ----------
    group_by, ignore_label, label_order
        As in :class:`engine.job.DataSpec`.
    preview
        A folder for thumbnails of the data.

    Raises
    ------
    UserError
        Where model or data cannot be read or do not fit each other.
    """
    return _task(
        "engine.tasks:evaluate",
        model=str(model), data=str(data), split=split, test=test, metric=metric,
        preprocess=preprocess, seen=seen, group_by=group_by, ignore_label=ignore_label,
        label_order=label_order, preview=_text(preview), weights=_text(weights),
        custom=_text(custom),
    )  # fmt: skip


def prune(
    job: Job,
    out: str | Path | None = None,
    *,
    on_event: Callable[[Event, RunState], None] | None = None,
    on_start: Callable[[EngineProcess], None] | None = None,
) -> dict[str, Any]:
    """Search the smallest model that keeps the metric; the content of ``result.json``.

    Parameters
    ----------
    out
        The run folder to make; by default ``./secateur-runs/DATE-NAME``.
    on_event
        Called with each event and the state after it.
    on_start
        Called with the engine process, to pause or stop it from another thread.

    Raises
    ------
    UserError
        Bad input. Nothing is left behind where the search had not begun.
    EngineFailure
        Where the engine died or a promise check failed.
    """
    preflight(job)
    folder = runs.RunFolder.create(runs.new_run_path(job.model) if out is None else Path(out), job)
    try:
        return follow(folder, on_event=on_event, on_start=on_start)
    except UserError:
        if not folder.state().trials:
            shutil.rmtree(folder.path, ignore_errors=True)
        raise


def preflight(job: Job) -> None:
    """Refuse at once what needs no engine to be refused.

    Raises
    ------
    UserError
        Where the model cannot be read, the data are not there, or a number makes no sense.
    """
    from engine.criteria import check_name
    from engine.modelfile.consent import require_allowed
    from engine.modelfile.reader import read_model

    runs.check_tolerance(job.goal.tolerance)
    for source in (job.data.source, job.data.test):
        if source is not None and source != "digits" and not Path(source).exists():
            raise UserError(
                "data.not_found",
                f"There are no data at this path: {source}.",
                "Give 'digits', an .npz file or a folder with a subfolder per class.",
            )
    check_name(job.criterion)
    if job.custom is not None:
        require_allowed(Path(job.custom))
    file = read_model(Path(job.model), weights=_path(job.weights), custom=_path(job.custom))
    graph = file.graph
    if job.exclude or job.floors:
        from engine.channels.floors import with_floors
        from engine.channels.trace import trace

        found = trace(graph, through_norms=job.through_norms, exclude=job.exclude)
        with_floors(found, job.floors)
    if job.sparse_for == "speed":
        _check_sparse_speed(graph)


def resume(
    run: str | Path,
    *,
    target: float | None = None,
    tolerance: float | None = None,
    max_trials: int | None = None,
    on_event: Callable[[Event, RunState], None] | None = None,
    on_start: Callable[[EngineProcess], None] | None = None,
) -> dict[str, Any]:
    """Go on with a run that was stopped or died; as :func:`prune`. A finished one is not run again.

    Parameters
    ----------
    target, tolerance
        A new goal for a finished run: its sensitivities, trials and checkpoints are used again.
    max_trials
        Fine-tunes for the new goal, at most.

    Raises
    ------
    UserError
        Where there is no such run, another process works on it, or a new goal comes before its end.
    EngineFailure
        As :func:`prune`.
    """
    folder = runs.RunFolder.open(Path(run))
    state = folder.state()
    finished = state.status in ("met", "not_met")
    folder.check_free()
    if target is not None or tolerance is not None:
        folder.set_goal(target=target, tolerance=tolerance, max_trials=max_trials)
    elif finished and state.job is not None and state.job.goal == folder.job().goal:
        result = folder.result()
        if result is not None:
            return {"run": str(folder.path), **result}
    return follow(folder, on_event=on_event, on_start=on_start)


def _check_sparse_speed(graph: LayerGraph) -> None:
    """Refuse to zero weights for speed where zeros cannot give any."""
    from engine.export.sparse_speed import sparse_speed

    found = sparse_speed(graph)
    if not found.possible:
        raise UserError(
            "sparse.no_speed",
            f"{found.sentence} Received: --sparse-for speed.",
            "Leave it out, or cut channels for speed: --minimise latency.",
        )


def follow(
    folder: runs.RunFolder,
    *,
    on_event: Callable[[Event, RunState], None] | None = None,
    on_start: Callable[[EngineProcess], None] | None = None,
) -> dict[str, Any]:
    """Run the engine on a run folder to its end and return its result."""
    from engine.supervise import EngineProcess

    process = EngineProcess(folder.path)
    process.start()
    state = folder.state()
    try:
        if on_start is not None:
            on_start(process)
        for event in process.events():
            state = fold(state, event)
            if on_event is not None:
                on_event(event, state)
    finally:
        process.close()
    if state.error is not None:
        raise state.error.to_exception()
    result = folder.result()
    if result is None:
        raise EngineFailure(
            "result.missing", f"The run ended without a result: {folder.path}.", "See its log.txt."
        )
    return {"run": str(folder.path), **result}


def export(
    source: str | Path,
    to: str,
    out: str | Path,
    *,
    quantize: str = "none",
    sparse: bool = False,
    io: str = "float",
    cluster: int | None = None,
    data: str | Path | None = None,
    input_shape: Sequence[int] | None = None,
    force: bool = False,
    weights: str | Path | None = None,
    custom: str | Path | None = None,
) -> dict[str, Any]:
    """Save a model, or the model that a run ended with, in a format that was checked.

    Parameters
    ----------
    quantize, sparse, io
        For TFLite: ``none``, ``float16``, ``dynamic`` or ``int8``; zeros encoded; ``float``,
        ``int8`` or ``uint8`` as the type of input and output of an int8 file.
    cluster
        Most different nonzero values of a kernel: kernels are clustered, and the centroids
        fine-tuned where there are data.
    data
        Labelled data to calibrate on, to judge the file by and to take class names and
        preprocessing from; those of the run where there is one.
    input_shape
        Without the batch axis; for a model that leaves sizes open.

    Raises
    ------
    UserError
        Bad input, an unsafe combination, or ``out`` exists.
    EngineFailure
        Where the check failed; nothing is left at ``out``.
    """
    from engine.export.unsafe import refuse_unsafe

    refuse_unsafe(quantize=quantize, sparse=sparse, io=io, calibrated=True)
    check_free(Path(out), force=force)
    return _task(
        "engine.saving:export",
        source=str(source), to=to, out=str(out), quantize=quantize, sparse=sparse, io=io,
        cluster=cluster, data=_text(data), force=force, weights=_text(weights),
        custom=_text(custom), input_shape=None if input_shape is None else list(input_shape),
    )  # fmt: skip


def measure_gain(
    model: str | Path,
    *,
    input_shape: Sequence[int] | None = None,
    weights: str | Path | None = None,
    custom: str | Path | None = None,
) -> dict[str, Any]:
    """What pruning can gain, from narrower random copies measured on this computer.

    Raises
    ------
    UserError
        Where the file cannot be opened or not be converted to TFLite.
    """
    return _task(
        "engine.saving:preflight",
        model=str(model), input_shape=None if input_shape is None else list(input_shape),
        weights=_text(weights), custom=_text(custom),
    )  # fmt: skip


def report(
    run: str | Path, out: str | Path | None = None, *, force: bool = False
) -> dict[str, Any]:
    """Write the report of a run as one HTML file; its path and what it says.

    Parameters
    ----------
    out
        The file; by default ``report.html`` in the run folder, which is replaced.

    Raises
    ------
    UserError
        Where there is no such run, it has not begun, or ``out`` exists.
    """
    from engine.report.page import write_report

    folder = runs.RunFolder.open(Path(run))
    if out is not None:
        check_free(Path(out), force=force)
    place = folder.path / runs.REPORT if out is None else Path(out).absolute()
    said = write_report(folder, place)
    return {"schema": 1, "path": str(place), "bytes": place.stat().st_size, "report": said}


def compare(run: str | Path, *, trial: int | None = None, again: bool = False) -> dict[str, Any]:
    """The model as opened against a checkpoint of its run, on the samples of the search split.

    Parameters
    ----------
    trial
        A trial whose checkpoint was kept; by default the best one.
    again
        Evaluate them although the run folder holds their comparison.

    Returns
    -------
    dict
        ``path`` of the file in the run folder, and :class:`engine.comparison.Comparison`.

    Raises
    ------
    UserError
        Where there is no such run or checkpoint, or the data are not there any more.
    """
    runs.RunFolder.open(Path(run))
    return _task("engine.comparing:compare", run=str(run), trial=trial, again=again)


def check_free(out: Path, *, force: bool) -> None:
    """Refuse to write over what exists, or where nothing can be written.

    Raises
    ------
    UserError
        Where ``out`` exists without ``force``, or its folder does not.
    """
    if out.exists() and not force:
        raise UserError(
            "out.exists",
            f"The output is there already: {out}.",
            "Choose another name, or add --force to replace it.",
        )
    if not out.absolute().parent.is_dir():
        raise UserError(
            "out.no_folder",
            f"The folder to write into does not exist: {out.absolute().parent}.",
            "Make it first, or choose another.",
        )


def _shares(given: float | Mapping[str, float] | None) -> dict[str, float]:
    """Shares by name; one without a name is that of all."""
    if given is None:
        return {}
    return dict(given) if isinstance(given, Mapping) else {"*": given}


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def _task(target: str, **arguments: Any) -> dict[str, Any]:
    from engine.childproc import call

    answer = call(target, jsonio.to_plain(arguments), timeout_s=TASK_TIMEOUT_S)
    if not isinstance(answer, dict):
        raise EngineFailure("task.answer", f"The engine gave no answer: {target}.")
    return answer
