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
INPUT_TYPES: tuple[str, ...] = ("float", "int8", "uint8")
"""Types that input and output of an int8 TFLite file may have."""
ClassWeight = Literal["auto", "none", "balanced"]
Allocation = Literal["sensitivity", "global"]
SparseFor = Literal["size", "speed"]
ImportanceInit = Literal["ones", "random", "filter-norm"]

SCHEMA = 1
"""Form of a job and of the run that it belongs to; forms that are known are read."""

LATENCY_MULTIPLE = 8
"""Widths that the vector units of a processor like."""


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

    ``source`` is ``"digits"`` or a path; ``test`` an optional second source. ``group_by`` is a
    pattern whose match in a sample's name must not be in two parts. ``ignore_label`` does not
    count. ``label_order``: ``given``, ``found`` (by the model's answers), or the model's output
    for each class of the data, such as ``2,0,1``. ``augment``: ``auto`` (what the model bears,
    measured), ``none``, or names such as ``flip,shift``. ``class_weight``: ``auto`` balances
    the loss where the metric counts classes alike and they are uneven.
    """

    source: str
    test: str | None = None
    preprocess: str = "auto"
    seen: Seen = "unknown"
    group_by: str | None = None
    ignore_label: int | None = None
    label_order: str = "given"
    augment: str = "auto"
    class_weight: ClassWeight = "auto"


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
    """One search: a model, data, a goal, a budget.

    ``weights`` is the weights file of a model that is an architecture in JSON, ``custom`` a Python
    file with the model's custom layers.
    ``allocation`` shares a cut out among channel groups: by their probed sensitivity, or by one
    global threshold on the criterion. ``sparse_for`` is what weights are zeroed for: a smaller
    file, or speed, which only the 1x1 convolutions of some networks can give.
    ``round_to`` rounds widths (see :attr:`width_multiple`), ``exclude`` names layers to leave
    alone (or patterns, or groups), ``floors`` the share of its channels that a group must keep,
    by the same names,
    ``importance_init`` is what the scales of importance weights begin with,
    ``through_norms`` lets cuts change the statistics of layer, group and unit norms.
    """

    model: str
    data: DataSpec
    weights: str | None = None
    custom: str | None = None
    goal: Goal = field(default_factory=Goal)
    budget: Budget = field(default_factory=Budget)
    strategy: Strategy = "heuristic"
    criterion: str = "auto"
    quantize: Quantize = "none"
    allocation: Allocation = "sensitivity"
    sparse_for: SparseFor = "size"
    importance_init: ImportanceInit = "ones"
    round_to: int | None = None
    through_norms: bool = False
    exclude: tuple[str, ...] = ()
    floors: dict[str, float] = field(default_factory=dict)
    l1_epochs: int = 0
    batch_size: int | None = None
    seed: int = 0
    export: tuple[str, ...] = ("tflite",)
    controls: bool = True
    schema: int = SCHEMA

    @property
    def width_multiple(self) -> int:
        """What widths are multiples of: as asked for, else 8 where latency is minimised.

        Along the path of an allocation the latter is finer where few channels are left.
        """
        if self.round_to is not None:
            return self.round_to
        return LATENCY_MULTIPLE if self.goal.minimise == "latency" else 1
