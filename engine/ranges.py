"""Rising whole numbers as short text and back: "0-3 7" is 0, 1, 2, 3 and 7.

Owns the form in which a journal says which channels are left. It knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterable


def to_text(numbers: Iterable[int]) -> str:
    """Rising numbers as runs, a space between them."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def from_text(text: str) -> tuple[int, ...]:
    """The inverse of :func:`to_text`.

    Raises
    ------
    ValueError
        Where a word is no number and no run of two.
    """
    found: list[int] = []
    for run in text.split():
        first, _, last = run.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)
