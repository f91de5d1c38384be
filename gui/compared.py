"""A comparison with its thumbnails, read and measured in a thread of :mod:`gui.tasks`.

Owns where it comes from: the file in the run folder, or the command that writes it. Blocks; it
touches no widget.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QRect
from PySide6.QtGui import QImage

from engine.comparison import Comparison, place_of, read_comparison, stamp_of
from engine.errors import EngineFailure
from engine.runs import RunFolder
from gui.commands import JsonCommand


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """A comparison; ``sheet`` holds its thumbnails or masks, None where there are none."""

    comparison: Comparison
    sheet: QImage | None = None
    cells: dict[int, int]

    def thumbnail(self, sample: int) -> QImage | None:
        """The picture of a sample, None where it has none."""
        thumbnails, cell = self.comparison.thumbnails, self.cells.get(sample)
        if thumbnails is None or self.sheet is None or cell is None:
            return None
        row, column = divmod(cell, thumbnails.columns)
        side = thumbnails.cell_px
        return self.sheet.copy(QRect(column * side + 1, row * side + 1, side - 2, side - 2))

    def pictures(self, row: int) -> tuple[QImage, ...]:
        """Image, true mask and both answers of a row of the masks; none where there are none."""
        masks = self.comparison.masks
        if masks is None or self.sheet is None:
            return ()
        wide, tall, gap = masks.width_px, masks.height_px, masks.gap_px
        places = (QRect(column * wide, row * tall, wide - gap, tall - gap) for column in range(4))
        return tuple(self.sheet.copy(place) for place in places)

    def name(self, sample: int) -> str:
        """Path or id of a sample, else its number in the search split."""
        thumbnails, cell = self.comparison.thumbnails, self.cells.get(sample)
        if thumbnails is None or cell is None or not thumbnails.names:
            return f"sample {sample}"
        return thumbnails.names[cell]


def read_compared(run: Path, trial: int, checkpoint: Path) -> Compared | None:
    """The comparison that the run folder holds; None where there is none, or an outdated one."""
    found = read_comparison(run, trial, stamp_of(RunFolder.open(run).job(), checkpoint))
    if found is None:
        return None
    thumbnails = found.thumbnails
    samples = () if thumbnails is None else thumbnails.samples
    sheet, pictures = None, found.masks if thumbnails is None else thumbnails
    if pictures is not None:
        sheet = QImage(str(place_of(run, trial).with_name(pictures.file)))
    return Compared(
        comparison=found,
        sheet=None if sheet is None or sheet.isNull() else sheet,
        cells={sample: cell for cell, sample in enumerate(samples)},
    )


def measure_compared(command: JsonCommand, run: Path, trial: int, checkpoint: Path) -> Compared:
    """Let the command compare, then read what it kept.

    Raises
    ------
    SecateurError
        As the command; or where it kept nothing.
    """
    command.run()
    found = read_compared(run, trial, checkpoint)
    if found is None:
        raise EngineFailure(
            "compare.lost",
            f"The comparison was made and cannot be read: {place_of(run, trial)}.",
            "Check that the disk has space and the model was not changed meanwhile.",
        )
    return found
