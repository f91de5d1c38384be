"""Arms of the methods bench: which strategy and which criterion each one is.

An arm is ``strategy:NAME`` (in its published form), or ``criterion:NAME`` (the default search with
that criterion). What the product does not offer is put into the engine of this process only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def arm(name: str) -> Iterator[tuple[str, str]]:
    """The engine of this process with one arm in it; yields the job's strategy and criterion."""
    kind, _, detail = name.partition(":")
    if kind == "strategy":
        yield detail, "auto"
    elif kind == "criterion":
        yield "heuristic", detail
    else:
        raise ValueError(name)
