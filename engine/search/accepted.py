"""What every strategy of fine-tunes keeps count of: what was accepted, and what is left.

Pure bookkeeping over :class:`engine.search.asking.Told`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from engine.events import Step, Why
from engine.search.asking import Ask, Asking, Told, better

MAY_END_EARLY = ("bracket", "bisect", "cut_on", "more_sparsity")
"""Reasons of fine-tunes that look for the floor; the others train a model on for its own sake."""


ROUNDED_FIRST = 15
"""Values of a filter's weights that, each rounded to the nearest, cost two VGGs and two MobileNets
0.02 to 0.2 points of accuracy, and save 13 to 25 % of the packed int8 file, a fifth to two fifths
of the float one. With their errors made up for they cost less."""

FEWER_VALUES, MORE_VALUES = (11, 7, 5, 3), (31, 63)
"""Tried next, in turn: where the first ones hold, and where they do not."""

TRIMMED = 0.9
"""Share of the weights left that trimming leaves. On the search split of a VGG, a ResNet-20 and a
MobileNet it cost 0.1 points each; 0.8 would have cost the VGG 0.5 and the MobileNet 0.7."""


@dataclass(slots=True)
class Accepted:
    """The accepted fine-tunes so far, and how many more may be asked for.

    ``early`` says that they may end early where what follows does not depend on their last epochs;
    the last one never does, since nothing follows that could train its model on.
    """

    left: int
    early: bool = False
    spent: int = 0
    trials: list[Told] = field(default_factory=list)
    best: Told | None = None

    def take(self, told: Told) -> None:
        """Record a fine-tune's outcome."""
        self.left -= 1
        self.spent += 1
        self.know(told)

    def know(self, told: Told) -> None:
        """Record a fine-tune that cost nothing here."""
        if not told.passed:
            return
        self.trials.append(told)
        if self.best is None or better(told, self.best):
            self.best = told

    def nearest(self, keep: float, sparsity: float) -> Told | None:
        """The accepted trial to start from: cut least beyond what is needed, and not too far."""
        fit = [t for t in self.trials if t.keep >= keep - 1e-9 and t.sparsity <= sparsity + 1e-9]
        return min(fit, key=lambda t: (t.keep, -t.sparsity), default=None)


def ask_fine_tune(
    done: Accepted,
    step: Step,
    keep: float,
    sparsity: float,
    code: str,
    *,
    parent: Told | None = None,
) -> Ask:
    """A fine-tune from the nearest accepted trial, or from ``parent``."""
    parent = done.nearest(keep, sparsity) if parent is None else parent
    return Ask(
        kind="fine_tune", step=step, keep=keep, sparsity=sparsity,
        parent=None if parent is None else parent.trial,
        early=done.early and code in MAY_END_EARLY and done.left > 1,
        why=Why(
            code=code,
            numbers={"keep": keep, "sparsity": sparsity, "from_keep": 1.0 if parent is None else
                     parent.keep, "fine_tunes_left": done.left},
        ),
    )  # fmt: skip


def then_quantized(strategy: Asking) -> Asking:
    """A strategy, and then its best model judged as the quantised file that it will be.

    Where that is below the floor, the next larger accepted model is tried, until one holds.
    """
    held: list[Told] = []
    told: Told | None = None
    while True:
        try:
            ask = next(strategy) if told is None else strategy.send(told)
        except StopIteration:
            break
        told = yield ask
        if told.passed:
            held.append(told)
    for model in sorted(held, key=lambda t: (t.objective or 0.0, -(t.margin or 0.0))):
        told = yield Ask(
            kind="probe", step="quantize", keep=model.keep, sparsity=model.sparsity,
            parent=model.trial, quantized=True, why=Why(code="quantized", numbers={}),
        )  # fmt: skip
        if told.passed:
            return


def ask_sweep(best: Told, step: Step) -> Ask:
    """The best model without the channels that its zeros have cut off."""
    return Ask(
        kind="probe", step=step, keep=best.keep, sparsity=best.sparsity, parent=best.trial,
        sweep=True,
        why=Why(code="sweep", numbers={"keep": best.keep, "sparsity": best.sparsity}),
    )  # fmt: skip


def trim(best: Told, step: Step) -> Generator[Ask, Told, Told]:
    """The best model with fewer weights, the others making up for them, where that holds.

    Nothing is trained, so it costs as little as a probe; see :mod:`engine.sparsity.trimming`. It is
    one notch: it is worth its price only where that is next to nothing.
    """
    told = yield Ask(
        kind="probe", step=step, keep=best.keep, sparsity=1.0 - TRIMMED * (1.0 - best.sparsity),
        parent=best.trial, trim=True, why=Why(code="trim", numbers={"left": TRIMMED}),
    )  # fmt: skip
    return told if told.passed else best


def round_weights(best: Told) -> Asking:
    """The best model with each filter's weights rounded to as few values as still hold.

    Nothing is trained here either; see :mod:`engine.sparsity.rounding`.
    """
    first = yield _ask_rounded(best, ROUNDED_FIRST)
    for values in FEWER_VALUES if first.passed else MORE_VALUES:
        told = yield _ask_rounded(best, values)
        if told.passed != first.passed:
            return


def _ask_rounded(best: Told, values: int) -> Ask:
    return Ask(
        kind="probe", step="quantize", keep=best.keep, sparsity=best.sparsity, parent=best.trial,
        weight_values=values, why=Why(code="round_weights", numbers={"weight_values": values}),
    )  # fmt: skip
