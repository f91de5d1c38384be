"""The words of ``--preprocess``: modes, channel order, resize method and fit.

Owns the syntax: words joined by commas, such as ``0-1``, ``torch,bgr`` or ``auto,bicubic,crop``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from engine.data.images import Fit, Resize
from engine.errors import UserError

Mode = Literal["none", "0-1", "-1-1", "0-255", "max", "caffe", "torch", "per-image", "per-channel"]
"""What happens to pixels; ``max`` divides by the largest value in the data."""

Order = Literal["rgb", "bgr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessWish:
    """What a person asked for; ``mode`` and ``order`` None: find out."""

    mode: Mode | None = None
    order: Order | None = None
    resize: Resize = "bilinear"
    fit: Fit = "stretch"


def parse_preprocess(text: str) -> PreprocessWish:
    """The wish behind a ``--preprocess`` value.

    Raises
    ------
    UserError
        ``data.preprocess`` for a word that means nothing here.
    """
    found: dict[str, str] = {}
    for word in (w.strip().lower() for w in text.split(",")):
        for name, kind in (("mode", Mode), ("order", Order), ("resize", Resize), ("fit", Fit)):
            if word in get_args(kind):
                found[name] = word
                break
        else:
            if word not in ("auto", ""):
                words = [w for kind in (Mode, Order, Resize, Fit) for w in get_args(kind)]
                raise UserError(
                    "data.preprocess",
                    f"This preprocessing is not known: {word!r}.",
                    f"Use auto, or some of {', '.join(words)}.",
                )
    from engine.jsonio import from_plain

    return from_plain(found, PreprocessWish)
