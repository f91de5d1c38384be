"""Which checkpoints a finished run keeps: those on its size-accuracy front, and its result's.

Owns the policy. Trials whose checkpoint goes keep their plan in the journal: shares, widths of all
layers, parent. A run that has not ended keeps all of them, since going on may start from any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine import events as ev
from engine.runs import RunFolder
from engine.runstate import RunState


def prune_checkpoints(folder: RunFolder, emit: Callable[[ev.Event], None]) -> None:
    """Tell which checkpoints are not kept, then remove them."""
    state = folder.state()
    gone = sorted(_all(state.trials) - kept(state))
    if gone:
        emit(ev.CheckpointsPruned(checkpoints=tuple(gone)))
    for name in gone:
        (folder.path / name).unlink(missing_ok=True)


def kept(state: RunState) -> set[str]:
    """Checkpoints of trials that no other is at least as small and as good as, and of the best.

    Trimmed and rounded models are kept as the best one only, and push out no other: a new goal goes
    on from what they were made of.
    """
    sign = 1 if state.baseline is None or state.baseline.higher_is_better else -1
    points = [
        (trial.sizes.objective, sign * trial.value, trial)
        for trial in state.trials
        if trial.checkpoint and trial.value is not None and trial.sizes is not None
        and trial.sizes.objective is not None and not trial.finished
    ]  # fmt: skip
    front = [
        trial
        for size, value, trial in points
        if not any(
            other[0] <= size and other[1] >= value and (other[0], other[1]) != (size, value)
            for other in points
        )
    ]
    best = state.best_trial
    return _all(front if best is None else [*front, best])


def _all(trials: Iterable[ev.TrialDone]) -> set[str]:
    return {trial.checkpoint for trial in trials if trial.checkpoint is not None}
