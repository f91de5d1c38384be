"""What a person has set up: model, data, goal, options. Frozen values; no Qt, no files."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.job import (
    Allocation,
    Budget,
    DataSpec,
    Goal,
    ImportanceInit,
    Job,
    Quantize,
    SparseFor,
    Strategy,
)
from gui.facts import ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The folded part of a job: everything that has a good default."""

    strategy: Strategy = "heuristic"
    criterion: str = "auto"
    quantize: Quantize = "none"
    allocation: Allocation = "sensitivity"
    augment: str = "auto"
    sparse_for: SparseFor = "size"
    importance_init: ImportanceInit = "ones"
    round_to: int | None = None
    exclude: tuple[str, ...] = ()
    floors: dict[str, float] = field(default_factory=dict)
    through_norms: bool = False
    l1_epochs: int = 0
    batch_size: int | None = None
    budget: Budget = field(default_factory=Budget)
    seed: int = 0

    @classmethod
    def of(cls, job: Job) -> Options:
        """The options of a job."""
        return cls(
            strategy=job.strategy,
            criterion=job.criterion,
            quantize=job.quantize,
            allocation=job.allocation,
            augment=job.data.augment,
            sparse_for=job.sparse_for,
            importance_init=job.importance_init,
            round_to=job.round_to,
            exclude=job.exclude,
            floors=dict(job.floors),
            through_norms=job.through_norms,
            l1_epochs=job.l1_epochs,
            batch_size=job.batch_size,
            budget=job.budget,
            seed=job.seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The unpruned model's measured value on the search split; ``others`` of the task's metrics.

    ``sample_s`` is the time that an image took, None where it was not taken.
    """

    metric: str
    value: float
    samples: int
    interval: tuple[float, float] | None = None
    others: tuple[tuple[str, float], ...] = ()
    sample_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person has set up so far."""

    model: ModelFacts | None = None
    data: DataSpec | None = None
    goal: Goal = field(default_factory=Goal)
    options: Options = field(default_factory=Options)

    @property
    def ready(self) -> bool:
        """Whether a search can start."""
        return self.model is not None and self.model.prunable and self.data is not None

    def job(self) -> Job:
        """The job of these wishes.

        Raises
        ------
        ValueError
            Where model or data are missing.
        """
        if self.model is None or self.data is None:
            raise ValueError("a job needs a model and data")
        options = self.options
        return Job(
            model=self.model.path,
            weights=self.model.weights,
            custom=self.model.custom,
            data=self.data,
            goal=self.goal,
            budget=options.budget,
            strategy=options.strategy,
            criterion=options.criterion,
            quantize=options.quantize,
            allocation=options.allocation,
            sparse_for=options.sparse_for,
            importance_init=options.importance_init,
            round_to=options.round_to,
            exclude=options.exclude,
            floors=dict(options.floors),
            through_norms=options.through_norms,
            l1_epochs=options.l1_epochs,
            batch_size=options.batch_size,
            seed=options.seed,
        )
