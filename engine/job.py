"""What a person asks for: a job, as frozen data that travels as JSON.

Owns the vocabulary of a request and its defaults. It knows nothing of files, models or Keras.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Minimise = Literal["size", "file", "params", "macs", "latency"]
Quantize = Literal["none", "float16", "dynamic", "int8"]
Strategy = Literal[
    "heuristic", "three-step", "structured", "unstructured", "grid", "importance", "skeleton"
]
Seen = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The value to keep and what to make small.

    ``target`` None means the baseline's value on the same split. ``tolerance`` is absolute, in
    the metric's own unit (0.01 is one point of accuracy). ``metric`` None follows from model
    and labels.
    """

    metric: str | None = None
    target: float | None = None
    tolerance: float = 0.01
    minimise: Minimise = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """Where the labelled data are and how they are to be read.

    ``source`` is ``"digits"`` or a path; ``test`` an optional second source.
    """

    source: str
    test: str | None = None
    preprocess: str = "auto"
    seen: Seen = "unknown"
    group_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of a search; None means that the program decides.

    ``epochs`` is per fine-tune, ``max_trials`` counts fine-tunes (probes cost seconds and are
    bounded by the strategy), ``time_s`` is the wall time of the whole search in seconds.
    """

    epochs: int | None = None
    max_trials: int | None = None
    time_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One search: a model, data, a goal, a budget."""

    model: str
    data: DataSpec
    goal: Goal = field(default_factory=Goal)
    budget: Budget = field(default_factory=Budget)
    strategy: Strategy = "heuristic"
    criterion: str = "auto"
    quantize: Quantize = "none"
    round_to: int = 1
    l1_epochs: int = 0
    batch_size: int | None = None
    seed: int = 0
    export: tuple[str, ...] = ("tflite",)
    controls: bool = True
    schema: int = 1
