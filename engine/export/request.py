"""What travels between the process that exports and its helper processes: frozen data.

Owns the payloads and answers of :mod:`engine.export.convert` and :mod:`engine.export.check`.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.data.preprocess import Preprocess
from engine.data.task import Task
from engine.events import Latency
from engine.export.card import Card
from engine.export.samples import InputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertRequest:
    """One conversion. ``out``, ``reference`` and ``live_samples`` are places to write to."""

    source: str
    to: str
    out: str
    reference: str
    live_samples: str
    quantize: str = "none"
    sparse: bool = False
    io: str = "float"
    samples: str | None = None
    input_shape: tuple[int, ...] | None = None
    card: Card | None = None
    custom: str | None = None

    @property
    def preprocess(self) -> Preprocess | None:
        """What a SavedModel prepares raw pixels with."""
        return None if self.card is None else self.card.preprocess


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertAnswer:
    """What was written: names of its inputs, thresholds of its outputs, in the model's order.

    ``live`` says that random samples were made up and written; ``sparse`` that the file is
    sparsely encoded. ``zeros`` are the exact zeros in the kernels of the model.
    """

    inputs: tuple[str, ...]
    thresholds: tuple[float | None, ...]
    custom: str | None = None
    input_specs: tuple[InputSpec, ...] = ()
    task: Task | None = None
    live: bool = False
    sparse: bool = False
    zeros: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """One promise check of ``path`` on ``samples`` against ``reference``."""

    path: str
    format: str
    samples: str
    reference: str
    inputs: tuple[str, ...]
    thresholds: tuple[float | None, ...]
    custom: str | None = None
    task: Task | None = None
    metric: str | None = None
    card: Card | None = None
    quantize: str = "none"
    threads: int = 2
    runs: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAnswer:
    """What the check saw; ``failure`` is a clause, None where the promise holds."""

    samples: int
    max_abs_diff: float | None
    agreement: float | None
    metric: str | None = None
    value: float | None = None
    model_value: float | None = None
    latency_ms: Latency | None = None
    ops: dict[str, int] | None = None
    zeros: int | None = None
    failure: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SizesRequest:
    """Measure the TFLite files of one model; they are kept only where a place is given."""

    source: str
    int8: bool = True
    tflite: str | None = None
    tflite_int8: str | None = None
    input_shape: tuple[int, ...] | None = None
