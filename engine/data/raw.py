"""What a source gives before labels are understood and images fitted to a model.

Owns the values that pass from the source readers to :mod:`engine.data.load`. It knows nothing
of files and of models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from engine.data.script_parts import Script

PartName = Literal["train", "val", "test", "all"]
"""``all`` is what a source without parts gives."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawPart:
    """Samples of one part as they came.

    ``images`` is ``(n, height, width)`` or ``(n, height, width, channels)``; ``labels`` in
    whatever form; ``hashes`` one a sample; ``names`` a path or id of each sample, for messages
    and for ``--group-by`` (empty where samples have no names); ``origin`` says where the part
    is from.
    """

    images: np.ndarray
    labels: np.ndarray
    hashes: tuple[str, ...]
    origin: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawSource:
    """A source: its parts by name, and what is known of all of them.

    ``class_names`` is empty where the source has none. ``seen`` is set where the source itself
    knows whether its held-out parts were trained on. ``ready`` images are the model's input.
    """

    parts: dict[str, RawPart]
    sha256: str
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seen: Literal["yes", "no", "unknown"] | None = None
    ready: bool = False
    script: Script = field(default_factory=Script)
