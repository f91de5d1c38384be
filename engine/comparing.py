"""Compares the model as opened with a checkpoint of its run, in a process with Keras.

Owns what is evaluated (both models, on the search split, never on the report split), which samples
get a thumbnail, and the file that keeps it all; see :mod:`engine.comparison` for the answer and
:func:`engine.api.compare` for the caller.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from engine import jsonio
from engine.comparison import (
    Answers,
    ByClass,
    Comparison,
    Confusion,
    Latencies,
    Masks,
    Measured,
    Thumbnails,
    place_of,
    read_comparison,
    stamp_of,
)
from engine.data.answers import FIGURES, answers, confusion, figures_by_class
from engine.data.mask_pictures import GAP_PX, iou_by_image, mask_sheet, worst_first
from engine.data.preview import save_sheet, sheet
from engine.errors import SecateurError, UserError
from engine.events import TrialDone
from engine.job import Job
from engine.modelfile.graph import ModelFile
from engine.modelfile.reader import open_model
from engine.modelfile.rebuild import build
from engine.runs import RunFolder
from engine.runstate import RunState
from engine.search.context import Opened, custom_of, open_data, open_files
from engine.search.models import Candidate
from engine.search.samples import calibration_samples
from engine.search.sizes import SizeMeter
from engine.training.evaluate import predict_outputs

CELL_PX, COLUMNS = 56, 40
A_CLASS = 24
"""Samples of each class that were found, and get a thumbnail; those that flipped all do."""

MOST_THUMBNAILS = 3000
MOST_BYTES = 1 << 28
"""Of the images that thumbnails are made of."""

MOST_MASKS, MASK_PX = 24, 132
"""Images whose masks are shown, and the longer side of each picture."""

MOST_CLASSES = 200
"""A larger confusion matrix is read by nobody."""


def compare(payload: dict[str, Any]) -> dict[str, Any]:
    """See :func:`engine.api.compare`."""
    folder = RunFolder.open(Path(payload["run"]))
    job, state = folder.job(), folder.state()
    trial = chosen(state, payload["trial"], folder.path)
    checkpoint = folder.path / str(trial.checkpoint)
    stamp = stamp_of(job, checkpoint)
    place = place_of(folder.path, trial.trial)
    found = None if payload["again"] else read_comparison(folder.path, trial.trial, stamp)
    if found is None:
        if state.data is not None:
            job = replace(job, data=replace(job.data, preprocess=state.data.preprocess))
        place.parent.mkdir(exist_ok=True)
        found = replace(measured(job, trial.trial, checkpoint, place), stamp=stamp)
        jsonio.write_json(place, found)
    answer: dict[str, Any] = jsonio.to_plain(found)
    return {"path": str(place), **answer}


def chosen(state: RunState, wanted: int | None, run: Path) -> TrialDone:
    """The trial to compare: the one that was asked for, else the best, else the last that was kept.

    Raises
    ------
    UserError
        Where there is none, or its checkpoint was not kept.
    """
    kept = {t.trial: t for t in state.trials if t.checkpoint is not None and not t.as_file}
    known = ", ".join(map(str, sorted(kept))) or "none yet"
    if wanted is None:
        best = state.best_trial
        same = [n for n, t in kept.items() if best is not None and t.checkpoint == best.checkpoint]
        wanted = max(same or kept, default=None)
    found = None if wanted is None else kept.get(wanted)
    if found is None or not (run / str(found.checkpoint)).is_file():
        raise UserError(
            "compare.no_checkpoint",
            f"There is no checkpoint of this trial to compare with: {wanted}.",
            f"Trials with a checkpoint are: {known}.",
        )
    return found


def measured(job: Job, trial: int, checkpoint: Path, place: Path) -> Comparison:
    """Evaluate both models; thumbnails go beside ``place``."""
    file, weights = open_files(job)
    opened = open_data(job, file, weights)
    after_file, after_weights = open_model(checkpoint, custom=custom_of(job))
    after = Candidate(graph=after_file.graph, weights=after_weights)
    part, measure = opened.data.search, opened.measure
    outputs = [
        predict_outputs(model, part.images, preprocess=opened.transform)
        for model in (opened.model, build(after.graph, after.weights))
    ]
    rows = [measure.rows(one, part.labels) for one in outputs]
    drop = measure.drop(rows[0], rows[1])
    keras.backend.clear_session()
    found = Comparison(
        trial=trial, metric=measure.name, task=opened.task.kind, samples=len(part),
        before=Measured(value=measure.value(rows[0]), interval=measure.interval(rows[0])),
        after=Measured(value=measure.value(rows[1]), interval=measure.interval(rows[1])),
        drop=Measured(value=drop.value, interval=drop.interval),
    )  # fmt: skip
    found = told_by_class(found, opened, outputs)
    if found.answers is not None:
        found = replace(found, thumbnails=_thumbnails(found.answers, opened, place))
    if opened.task.kind in ("segmentation", "binary_segmentation"):
        found = replace(found, masks=_masks(opened, outputs, place))
    return _with_latencies(found, job, file, opened, after)


def told_by_class(found: Comparison, opened: Opened, outputs: list[np.ndarray]) -> Comparison:
    """The comparison with classes, confusion and answers, as far as the task has them."""
    task, data = opened.task, opened.data
    if task.kind not in FIGURES:
        what = "numbers" if task.kind == "regression" else "what its data script says"
        note = f"The model's outputs are {what}: there are no classes to tell apart."
        return replace(found, notes=(*found.notes, note))
    labels, ignored = data.search.labels, data.ignore_label
    (before, count), (after, _) = (
        figures_by_class(one, labels, task, ignore_label=ignored) for one in outputs
    )
    names = data.class_names or tuple(map(str, range(len(count))))
    classes = tuple(
        ByClass(name=name, count=int(n), before=_number(old), after=_number(new))
        for name, n, old, new in zip(names, count, before, after, strict=False)
    )
    found = replace(found, figure=FIGURES[task.kind], classes=classes)
    if task.kind == "multilabel":
        note = "An image may have several labels here: there is no confusion matrix, and no one"
        return replace(found, notes=(*found.notes, f"{note} answer that could flip."))
    if task.classes > MOST_CLASSES:
        note = f"A confusion matrix of {task.classes} classes is left out."
        found = replace(found, notes=(*found.notes, note))
    else:
        both = [confusion(one, labels, task, ignore_label=ignored) for one in outputs]
        made = {"before": both[0].tolist(), "after": both[1].tolist()}
        found = replace(found, confusion=jsonio.from_plain(made, Confusion))
    if task.kind not in ("classification", "binary"):
        return found
    (old, old_sure), (new, new_sure) = (answers(one, task) for one in outputs)
    return replace(
        found,
        answers=Answers(
            label=tuple(labels.tolist()), before=tuple(old.tolist()), after=tuple(new.tolist()),
            confidence_before=tuple(map(_number, old_sure)),
            confidence_after=tuple(map(_number, new_sure)),
        ),
    )  # fmt: skip


def shown(told: Answers, most: int) -> tuple[int, ...]:
    """Samples that get a thumbnail: what flipped, then what is wrong, then some of each class."""
    wanted: dict[int, None] = dict.fromkeys(told.flipped())
    right: dict[int, list[int]] = {}
    for sample, (label, found) in enumerate(zip(told.label, told.after, strict=True)):
        if label == found:
            right.setdefault(label, []).append(sample)
        else:
            wanted.setdefault(sample)
    for samples in right.values():
        wanted |= dict.fromkeys(samples[:A_CLASS])
    return tuple(sorted(list(wanted)[:most]))


def _thumbnails(told: Answers, opened: Opened, place: Path) -> Thumbnails:
    part = opened.data.search
    each = max(1, int(part.images[:1].nbytes))
    samples = shown(told, min(MOST_THUMBNAILS, MOST_BYTES // each))
    file = place.with_suffix(".png")
    images = part.images[np.asarray(samples, np.int64)]
    save_sheet(sheet(images, columns=COLUMNS, cell_px=CELL_PX), file)
    names = tuple(part.names[i] for i in samples) if part.names else ()
    return Thumbnails(
        file=file.name, cell_px=CELL_PX, columns=COLUMNS, samples=samples, names=names
    )


def _masks(opened: Opened, outputs: list[np.ndarray], place: Path) -> Masks:
    part, task, ignored = opened.data.search, opened.task, opened.data.ignore_label
    before, after = (iou_by_image(one, part.labels, task, ignore_label=ignored) for one in outputs)
    samples = worst_first(before, after, MOST_MASKS)
    pixels, (width, height) = mask_sheet(
        part.images[samples], part.labels[samples], (outputs[0][samples], outputs[1][samples]),
        task, ignore_label=ignored, longest_px=MASK_PX,
    )  # fmt: skip
    file = place.with_suffix(".png")
    save_sheet(pixels, file)
    return Masks(
        file=file.name, width_px=width, height_px=height, gap_px=GAP_PX,
        samples=tuple(map(int, samples)),
        before=tuple(map(_number, before[samples])), after=tuple(map(_number, after[samples])),
        names=tuple(part.names[i] for i in samples) if part.names else (),
    )  # fmt: skip


def _with_latencies(
    found: Comparison, job: Job, file: ModelFile, opened: Opened, after: Candidate
) -> Comparison:
    """The comparison with the time of both models, and of the first in 8 bits, timed in turn."""
    before = Candidate(graph=file.graph, weights=opened.weights)
    with SizeMeter(job) as meter, tempfile.TemporaryDirectory(prefix="secateur-") as scratch:
        samples = Path(scratch) / "samples.npz"
        np.savez(samples, x=calibration_samples(opened.data, opened.preprocess))
        try:
            times = meter.latencies([before, after, before], ("none", "none", "int8"), samples)
        except SecateurError as error:
            note = f"Latency was not measured: {error}"
            return replace(found, notes=(*found.notes, note))
    return replace(
        found, latency_ms=Latencies(before=times[0], after=times[1], before_int8=times[2])
    )


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
