"""What the engine tells whoever listens: frozen dataclasses, JSON both ways.

Events carry data; words and colours belong to the listener. The events of a run, in order, are
its record: :class:`engine.runstate.RunState` folds them for the live window, the command line
and a re-opened run alike. A run's stream begins with :class:`RunStarted` and ends with exactly one
:class:`RunEnded`. Events of :data:`TRANSIENT` go to listeners only, never to the journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

from engine import jsonio
from engine.errors import ErrorInfo
from engine.job import Goal, Job

Phase = Literal[
    "opening", "data", "baseline", "sensitivity", "channels", "weights", "trade_off", "quantize",
    "controls", "report", "export",
]  # fmt: skip
Step = Literal["channels", "weights", "trade_off", "quantize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerState:
    """One layer as the strip and the table show it.

    ``channels`` counts what the layer produced before any cut (None: it produces none of its
    own), ``channels_kept`` what is left. ``prunable_weights`` counts kernel elements now,
    ``zeros`` how many of them are exactly 0. ``output_shape`` is without the batch axis.
    ``group`` is the channel group's id; ``reason`` says why the layer cannot be cut. ``kept`` says
    which of the ``channels`` are left, in the form of :mod:`engine.ranges`; None where all are, or
    where a run does not tell.
    """

    name: str
    class_name: str
    output_shape: tuple[int | None, ...] | None = None
    params: int = 0
    macs: int | None = None
    channels: int | None = None
    channels_kept: int | None = None
    prunable_weights: int = 0
    zeros: int | None = None
    group: str | None = None
    prunable: bool = False
    reason: str | None = None
    kept: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds of one sample at batch 1, over ``runs`` timed runs on ``threads`` threads."""

    median: float
    p90: float
    runs: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Size of a model: counts, multiply-adds a sample, and bytes (None: not measured)."""

    params: int
    nonzero: int
    macs: int | None
    objective: float | None = None
    keras_bytes: int | None = None
    tflite_bytes: int | None = None
    tflite_gzip_bytes: int | None = None
    tflite_int8_bytes: int | None = None
    tflite_int8_gzip_bytes: int | None = None
    latency_ms: Latency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A decision's reason as data: a code and the numbers behind it."""

    code: str
    numbers: dict[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """First event of a run. ``time`` is seconds since the epoch."""

    run_id: str
    job: Job
    time: float
    device: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted:
    """The search entered a phase."""

    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOpened:
    """The model was read: its layers before any cut."""

    name: str
    format: str
    params: int
    macs: int | None
    layers: tuple[LayerState, ...]
    warnings: tuple[str, ...] = ()
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOpened:
    """The data were read and divided; counts are samples.

    ``near_ties`` are preprocessings that do as well as the one chosen; ``label_order`` the model's
    output for each class of the data, where that explains a poor value. ``counts`` has a row for
    train, search and report: samples by class; ``split_sha256`` says who is in each of them.
    ``preview`` is a folder of thumbnails, relative to the run's, see :mod:`engine.data.preview`.
    """

    source: str
    train: int
    search: int
    report: int
    classes: tuple[str, ...]
    task: str
    preprocess: str
    preprocess_values: dict[str, float] = field(default_factory=dict)
    seen: str = "unknown"
    notes: tuple[str, ...] = ()
    sha256: str | None = None
    near_ties: tuple[str, ...] = ()
    label_order: tuple[int, ...] | None = None
    counts: tuple[tuple[int, ...], ...] = ()
    split_sha256: tuple[str, ...] = ()
    preview: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationChosen:
    """The random changes of training images that fine-tunes use, by name.

    ``drops`` says by how much the dense model's value fell under each on ``samples`` train samples
    (below 0: it rose); empty where a person chose. ``too_few``: epochs of a fine-tune, where they
    are too few for any change.
    """

    chosen: tuple[str, ...]
    drops: dict[str, float] = field(default_factory=dict)
    samples: int = 0
    too_few: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMeasured:
    """The unpruned model on the search split, and the floor that follows."""

    metric: str
    higher_is_better: bool
    value: float
    interval: tuple[float, float]
    samples: int
    target: float
    target_from: Literal["given", "baseline"]
    tolerance: float
    floor: float
    sizes: Sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityMeasured:
    """One group cut alone to ``kept`` of its channels, norms re-estimated, not trained.

    ``value`` is the metric and ``loss`` the divergence from the dense model's answers in nats, both
    on one fixed subset of the training images; ``keep`` is ``kept`` as a share of the group.
    """

    group: str
    keep: float
    value: float
    kept: int = 0
    loss: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalSet:
    """A new goal on a finished run: its trials are judged again, trials from ``first_trial`` on
    are asked for it. ``accepted`` and ``best`` are what the trials before come to under it.
    """

    goal: Goal
    first_trial: int
    accepted: tuple[int, ...]
    best: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEstimated:
    """The plan of what remains, from steps measured on this machine."""

    fine_tunes_left: int
    seconds_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStarted:
    """A probe or fine-tune begins. ``keep``/``sparsity`` are shares over the whole model.

    ``weight_values`` is how many different ones a filter's weights are rounded to, 0 where they are
    not; ``trimmed`` says that some more of the parent's weights are zeroed and nothing is trained.
    """

    trial: int
    kind: Literal["probe", "fine_tune"]
    step: Step
    keep: float
    sparsity: float
    epochs: int
    parent: int | None
    why: Why
    weight_values: int = 0
    trimmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDone:
    """Progress inside a fine-tune; ``step`` counts from 1 over all its epochs."""

    trial: int
    step: int
    steps: int
    loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochDone:
    """An epoch of a fine-tune ended; ``value`` is on the search split where it was measured.

    ``margin`` is how far that lies above floor and guard (positive is good).
    """

    trial: int
    epoch: int
    epochs: int
    loss: float | None
    value: float | None
    seconds: float
    margin: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialDone:
    """A trial's verdict. ``value`` is on the search split; None where the trial failed.

    ``checkpoint`` is relative to the run folder, None where it was not kept. ``weight_values`` is
    how many different ones a filter's weights were rounded to, 0 where they were not; ``trimmed``
    as in :class:`TrialStarted`.
    """

    trial: int
    kind: Literal["probe", "fine_tune"]
    step: Step
    keep: float
    sparsity: float
    value: float | None
    accepted: bool
    best: bool
    epochs: int
    seconds: float
    sizes: Sizes | None
    layers: tuple[LayerState, ...]
    checkpoint: str | None
    why: Why
    weight_values: int = 0
    trimmed: bool = False

    @property
    def judged(self) -> bool:
        """Whether it could be accepted: a fine-tune, or one swept, finished or as its file."""
        made = self.kind == "fine_tune" or self.finished
        return made or self.checkpoint is not None

    @property
    def finished(self) -> bool:
        """Whether it is another trial's model, trimmed or rounded: nothing goes on from it."""
        return self.trimmed or self.weight_values > 0

    @property
    def as_file(self) -> bool:
        """Whether it is another trial's model, judged as a quantised file."""
        return self.step == "quantize" and self.weight_values == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMeasured:
    """A model that stands beside the result: ``dense_fine_tuned`` or ``dense_int8``.

    ``report``, with its ``interval``, is read after the final model's; nothing is chosen by it.
    """

    name: str
    search: float | None
    report: float | None
    epochs: int
    interval: tuple[float, float] | None = None
    sizes: Sizes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMeasured:
    """The one reading of the report split, for the model that the run ends with.

    ``drop`` is baseline minus final (sign turned where lower is better), paired on the same
    samples. ``trial`` None means that the baseline itself is what the run ends with.
    ``samples_needed`` is how many report samples would confirm this drop, or, where it is outside
    the tolerance by less than they can tell, no drop at all; None where they do or none would.
    ``others`` are the task's other metrics, before and after.
    """

    trial: int | None
    samples: int
    baseline: float
    baseline_interval: tuple[float, float]
    final: float
    final_interval: tuple[float, float]
    drop: float
    drop_interval: tuple[float, float]
    level: float
    method: str
    floor: float
    met: bool
    confirmed: bool
    samples_needed: int | None = None
    others: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatenciesMeasured:
    """Baseline and final model as float32 TFLite files, timed in turn in one process."""

    baseline: Latency
    final: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The engine holds, within a batch of being asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The engine goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something the person should know that ends nothing. ``message`` is one sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsEstimated:
    """What the search will need of this computer, and what is there (None: not known).

    ``seconds`` is for the whole search, None where no step was timed yet.
    """

    disk_bytes: int
    disk_free_bytes: int | None
    memory_bytes: int
    memory_free_bytes: int | None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDied:
    """The engine process died of itself in a trial, for the ``times``-th time, and is started
    again: at half the batch where memory was the ``cause``. After the second time in one trial
    that trial fails. ``how`` is a clause: ``"was ended by SIGABRT"``.
    """

    trial: int
    cause: Literal["memory", "crash"]
    how: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointsPruned:
    """These checkpoints were removed, which no size-accuracy front needs; their trials stay."""

    checkpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialsDropped:
    """Trials from this one on, of an earlier session, that the search did not ask for again."""

    first_trial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An export was checked and moved into place; ``result`` is as ``export --json`` prints."""

    path: str
    result: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The one terminal event; ``seconds`` is the time that the engine worked, over all resumes."""

    outcome: Literal["met", "not_met", "stopped", "failed"]
    error: ErrorInfo | None = None
    seconds: float | None = None


Event: TypeAlias = (
    RunStarted | PhaseStarted | ModelOpened | DataOpened | AugmentationChosen | BaselineMeasured
    | SensitivityMeasured | GoalSet
    | WorkEstimated | TrialStarted | BatchDone | EpochDone | TrialDone | ControlMeasured
    | ReportMeasured | LatenciesMeasured | Paused | Resumed | Warned
    | NeedsEstimated | EngineDied | CheckpointsPruned | TrialsDropped | Exported | RunEnded
)  # fmt: skip

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        RunStarted, PhaseStarted, ModelOpened, DataOpened, AugmentationChosen, BaselineMeasured,
        SensitivityMeasured, GoalSet,
        WorkEstimated, TrialStarted, BatchDone, EpochDone, TrialDone,
        ControlMeasured, ReportMeasured, LatenciesMeasured, Paused, Resumed, Warned,
        NeedsEstimated, EngineDied, CheckpointsPruned, TrialsDropped, Exported, RunEnded,
    )
}  # fmt: skip

TRANSIENT = (BatchDone, Paused, Resumed, WorkEstimated)


def dump_event(event: Event) -> bytes:
    """One line of JSON without its newline; NaN becomes null."""
    body = {f.name: getattr(event, f.name) for f in fields(event)}
    return jsonio.dumps({"event": type(event).__name__, **body})


def load_event(line: bytes | str) -> Event | None:
    """The event of one line, or None for a kind that this version does not know.

    Raises
    ------
    ValueError
        Where the line is no event (msgspec's errors are ValueErrors).
    """
    data = jsonio.loads(line)
    if not isinstance(data, dict) or "event" not in data:
        raise ValueError("not an event")
    kind = _KINDS.get(str(data.pop("event")))
    if kind is None:
        return None
    event: Event = jsonio.from_plain(data, kind)
    return event
