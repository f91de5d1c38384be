"""The model as opened against a checkpoint of its run, on the samples of the search split.

Owns the answer of ``secateur compare`` as frozen data, and the place in the run folder where it is
kept: ``compare/trial-007.json`` with its thumbnails beside it. :mod:`engine.comparing` makes it.
It imports neither Keras nor Qt.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine import jsonio
from engine.events import Latency
from engine.job import Job

COMPARISONS = "compare"
"""Folder of a run's comparisons."""

_HOLDS = 2
"""Counts what a comparison has come to hold; one that is kept with less is made anew."""

Change = Literal["worse", "better", "other"]
"""Of a sample: no longer right; right now; wrong before and after, in different ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value of the run's metric and its 95 % interval."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByClass:
    """A class before and after; None where it does not occur. ``count``: samples, or pixels."""

    name: str
    count: int
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Samples (or pixels) by true class, down, and answered class, across."""

    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """True class and both answers of each sample of the search split, in its order.

    Confidences are probabilities of the answered class; None, with the class -1, where a model's
    output is no number.
    """

    label: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    confidence_before: tuple[float | None, ...]
    confidence_after: tuple[float | None, ...]

    def change(self, sample: int) -> Change | None:
        """What became of a sample; None where the answer is the same."""
        label, before, after = self.label[sample], self.before[sample], self.after[sample]
        if before == after:
            return None
        return "worse" if before == label else "better" if after == label else "other"

    def flipped(self) -> tuple[int, ...]:
        """Samples whose answer changed, in order."""
        pairs = enumerate(zip(self.before, self.after, strict=True))
        return tuple(number for number, (before, after) in pairs if before != after)

    def cell(self, side: Literal["before", "after"], true: int, found: int) -> tuple[int, ...]:
        """Samples in a cell of a confusion matrix."""
        pairs = enumerate(zip(self.label, getattr(self, side), strict=True))
        return tuple(number for number, pair in pairs if pair == (true, found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnails:
    """A sheet of small pictures: ``file`` beside the comparison's own, cells of ``cell_px``.

    Cell ``i``, row by row of ``columns``, is sample ``samples[i]``; ``names`` are paths or ids
    where the data have them.
    """

    file: str
    cell_px: int
    columns: int
    samples: tuple[int, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Masks:
    """Masks of some images, those first that lost most: ``file`` lies beside the comparison's own.

    Row ``i`` of the sheet is sample ``samples[i]``: the image, its true mask, and the answers of
    the model as opened and of the checkpoint, each ``width_px`` by ``height_px`` with ``gap_px`` of
    nothing at its right and below. ``before`` and ``after`` are the IoU of that image alone, None
    where it has none; ``names`` are paths or ids where the data have them.
    """

    file: str
    width_px: int
    height_px: int
    gap_px: int
    samples: tuple[int, ...]
    before: tuple[float | None, ...]
    after: tuple[float | None, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Both as float32 TFLite files, and the model as opened in 8 bits, timed in turn; or None."""

    before: Latency | None = None
    after: Latency | None = None
    before_int8: Latency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """See the module.

    ``drop`` is how much worse the checkpoint is, paired, with its interval. ``figure`` is what
    ``classes`` hold: ``accuracy`` (share of a class's samples that were found), ``f1`` or ``iou``;
    None where there are no classes. ``confusion`` and ``answers`` are None where they make no
    sense, and ``notes`` then say why; where every pixel has an answer there are ``masks`` instead
    of ``answers``. ``stamp`` says what it was made from.
    """

    trial: int
    metric: str
    task: str
    samples: int
    before: Measured
    after: Measured
    drop: Measured
    figure: Literal["accuracy", "f1", "iou"] | None = None
    classes: tuple[ByClass, ...] = ()
    confusion: Confusion | None = None
    answers: Answers | None = None
    thumbnails: Thumbnails | None = None
    masks: Masks | None = None
    latency_ms: Latencies = Latencies()
    split: str = "search"
    notes: tuple[str, ...] = ()
    stamp: str = ""
    schema: int = 1


def place_of(run: Path, trial: int) -> Path:
    """The file of a trial's comparison."""
    return run / COMPARISONS / f"trial-{trial:03d}.json"


def stamp_of(job: Job, checkpoint: Path) -> str:
    """What a comparison is made from, as one hash: the job's data, and both files as they are."""
    places = (job.model, checkpoint, job.data.source, job.data.test)
    files = [
        (str(path), status.st_size, status.st_mtime_ns)
        for path in (Path(place) for place in places if place is not None and place != "digits")
        if path.exists() and (status := path.stat())
    ]
    return hashlib.sha256(jsonio.dumps((_HOLDS, job.data, job.goal.metric, files))).hexdigest()


def read_comparison(run: Path, trial: int, stamp: str | None = None) -> Comparison | None:
    """The comparison that is kept in a run folder.

    Returns
    -------
    Comparison or None
        None where there is none, it cannot be read, or it was made from something else than
        ``stamp`` says.
    """
    try:
        found = jsonio.from_plain(jsonio.loads(place_of(run, trial).read_bytes()), Comparison)
    except (OSError, ValueError):
        return None
    return found if stamp is None or found.stamp == stamp else None
