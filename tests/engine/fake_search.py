"""A trainer that trains nothing, to drive strategies with."""

from __future__ import annotations

from collections.abc import Callable

from engine.search.asking import Ask, Asking, Limits, Told

LIMITS = Limits(fine_tunes=6, tolerance=0.01)


def fake_trainer(
    strategy: Asking, drop_of: Callable[[float, float], float], *, kept: bool = False,
    least: int = 256, trimmed: float = 1.0,
) -> list[tuple[Ask, Told]]:  # fmt: skip
    """Drive a strategy; ``drop_of(keep, sparsity)`` is what a fine-tune loses.

    ``kept`` says that what failed can be trained on, ``least`` how few values a filter hold,
    ``trimmed`` what share of the weights left has to stay.
    """
    history: list[tuple[Ask, Told]] = []
    told: Told | None = None
    while True:
        try:
            ask = next(strategy) if told is None else strategy.send(told)
        except StopIteration:
            return history
        drop = drop_of(ask.keep, ask.sparsity)
        if ask.kind == "probe":
            drop = min(0.9, drop * 15)
        margin = 0.01 - drop
        told = Told(
            trial=len(history),
            keep=ask.keep,
            sparsity=ask.sparsity,
            value=0.93 - drop,
            drop=drop,
            margin=margin,
            passed=float(ask.why.numbers["left"] or 0) >= trimmed - 1e-9
            if ask.trim
            else ask.weight_values >= least
            or (ask.kind == "fine_tune" and margin >= 0 and ask.gamma_l1 == 0),
            objective=1e6 * ask.keep**2 * (1 - ask.sparsity) + 1000,
            kept=kept and ask.kind == "fine_tune",
        )
        history.append((ask, told))
        assert len(history) < 500, "the strategy does not end"


def accepted(history: list[tuple[Ask, Told]]) -> list[Told]:
    return [told for _, told in history if told.passed]


def loss_of_size(limit: float) -> Callable[[float, float], float]:
    """A net that loses one tolerance at a reduction of ``limit``, by size alone."""
    return lambda keep, sparsity: 0.01 * (1.0 / (limit * keep**2 * (1.0 - sparsity))) ** 1.5
