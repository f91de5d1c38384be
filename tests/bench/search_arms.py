"""Arms of the search bench that the product does not offer: TPE, a slice of the grid, ablations.

Each is a strategy or a change of one, put into the engine of this process only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from unittest import mock

import optuna
import psutil

from engine.events import Why
from engine.search import accepted, context, heuristic, session, trials, verdict
from engine.search.asking import Ask, Asking, Limits


def tpe(limits: Limits, *, seed: int) -> Asking:
    """Optuna's TPE over (keep, sparsity), each candidate fine-tuned from the dense model.

    What breaks the floor is told as larger than the dense model, the more the further below.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(2, limits.fine_tunes // 3))
    study = optuna.create_study(sampler=sampler)
    for _ in range(limits.fine_tunes):
        trial = study.ask()
        keep = trial.suggest_float("keep", max(0.05, limits.smallest_keep), 1.0, log=True)
        density = trial.suggest_float("density", 0.03, 1.0, log=True)
        told = yield Ask(
            kind="fine_tune", step="trade_off", keep=keep, sparsity=1.0 - density,
            why=Why(code="tpe", numbers={"keep": keep, "sparsity": 1.0 - density}),
        )  # fmt: skip
        if told.margin is None or told.objective is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            below = max(0.0, -told.margin) / max(limits.tolerance, 1e-9)
            study.tell(trial, told.objective if told.passed else 1e8 * (1.0 + below))


def grid_row(limits: Limits, *, row: int, side: int) -> Asking:
    """One row of the brute-force grid: one keep ratio, every sparsity, from the dense model."""
    keep = 1.0 - row / side
    for column in range(side):
        yield Ask(
            kind="fine_tune", step="trade_off", keep=keep, sparsity=column / side,
            why=Why(code="grid", numbers={"keep": keep, "sparsity": column / side}),
        )  # fmt: skip


def watched(limits: Limits, *, memory: list[float]) -> Asking:
    """Fine-tunes of ever other widths and zeros; resident MiB of this process after each."""
    process = psutil.Process()
    for index in range(limits.fine_tunes):
        keep, sparsity = 0.4 + 0.6 * (index % 7) / 6, 0.8 * (index % 5) / 4
        yield Ask(
            kind="fine_tune", step="trade_off", keep=keep, sparsity=sparsity,
            why=Why(code="grid", numbers={"keep": keep, "sparsity": sparsity}),
        )  # fmt: skip
        memory.append(process.memory_info().rss / 2**20)


@contextmanager
def arm(name: str, seed: int, memory: list[float]) -> Iterator[str]:
    """The engine of this process with one arm in it; yields the job's strategy for it.

    ``memory`` takes what the arm of that name measures.
    """
    kind, _, detail = name.partition(":")
    if kind == "tpe":
        with _strategy(lambda limits: tpe(limits, seed=seed)):
            yield "grid"
    elif kind == "grid_row":
        row, side = map(int, detail.split("of"))
        with _strategy(lambda limits: grid_row(limits, row=row, side=side)):
            yield "grid"
    elif kind == "memory":
        with _strategy(lambda limits: watched(limits, memory=memory)):
            yield "grid"
    elif kind == "without":
        with _without(detail):
            yield "heuristic"
    else:
        yield kind


@contextmanager
def _strategy(function: Callable[[Limits], Asking]) -> Iterator[None]:
    with mock.patch.dict(session.STRATEGIES, {"grid": function}):
        yield


def _unchanged(given: context.Context, *rest: object) -> context.Context:
    return given


@contextmanager
def _without(what: str) -> Iterator[None]:
    patch: AbstractContextManager[object]
    match what:
        case "allocation":
            patch = mock.patch.object(session, "_allocated", _unchanged)
        case "norms":
            patch = mock.patch.object(trials.TrialRunner, "_reestimate", return_value=None)
        case "teacher":
            patch = mock.patch.object(context, "DISTILL", 0.0)
        case "warm_start":
            patch = mock.patch.object(accepted.Accepted, "nearest", return_value=None)
        case "early":
            patch = mock.patch.object(accepted, "MAY_END_EARLY", ())
        case "rounding":
            patch = mock.patch.object(heuristic, "round_weights", return_value=())
        case "trim":
            patch = mock.patch.object(accepted, "TRIMMED", 1.0)
        case "guard":
            patch = mock.patch.object(verdict, "GUARD_SE", 0.0)
        case _:
            raise ValueError(what)
    with patch:
        yield
