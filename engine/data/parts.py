"""What loading gives: labelled images in three parts, fitted to a model's input.

Owns the values that the rest of the engine sees of data. It knows nothing of files, models and
preprocessing: pixels here are raw, as the source has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from engine.data.script_parts import Script
from engine.job import Seen

LabelKind = Literal["classes", "multi_hot", "masks", "values", "script"]
"""Class ids ``(n,)``; 0/1 vectors ``(n, k)``; class maps ``(n, h, w)``; numbers ``(n, k)``;
whatever a data script's own loss and metric take, ``(n, ...)``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Labelled images.

    Attributes
    ----------
    images
        Raw pixels ``(n, height, width, channels)``, uint8 wherever the source allows it.
    labels
        By :data:`LabelKind`: int64 ``(n,)``, uint8 ``(n, k)``, uint8 or uint16 ``(n, h, w)``,
        float32 ``(n, k)``.
    names
        A path or id of each sample; empty where the source has none.
    ready
        Whether the images are the model's input already, so that nothing is to be tried.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...] = ()
    ready: bool = False

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> Part:
        """The samples at these positions, in that order."""
        return Part(
            images=self.images[indices],
            labels=self.labels[indices],
            names=tuple(self.names[i] for i in indices) if self.names else (),
            ready=self.ready,
        )

    def sample(self, count: int) -> Part:
        """At most ``count`` samples, drawn at random but the same ones every time."""
        if count >= len(self):
            return self
        return self.take(np.sort(np.random.default_rng(0).permutation(len(self))[:count]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedData:
    """A source, read and divided.

    Attributes
    ----------
    labels_are
        The form that all labels were brought into.
    class_names
        By class id; numbers as text where the source has no names; empty for ``values``.
    ignore_label
        Value in masks that does not count, or None.
    sha256
        Identity of the data: a file's own, a folder's sorted "path sha256" lines, arrays'.
    seen
        Whether the model may have been trained on the search and report images.
    divided
        ``given``: all parts came with the data; ``halved``: search and report are halves of one
        part; ``whole``: 70/15/15 of data without parts.
    duplicates
        Search and report images that are exact copies of a train image.
    split_sha256
        Identity of train, search and report part: of their sorted sample hashes.
    notes
        What was recognised or assumed, one sentence each.
    script
        What a data script brings besides data: its own metric, loss, changes, class weights.
    """

    source: str
    train: Part
    search: Part
    report: Part
    labels_are: LabelKind
    class_names: tuple[str, ...]
    sha256: str
    seen: Seen
    divided: Literal["given", "halved", "whole"]
    ignore_label: int | None = None
    duplicates: int = 0
    split_sha256: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    script: Script = field(default_factory=Script)
