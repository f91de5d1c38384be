"""What an export is asked for and what it gives back, as frozen plain data.

Owns the keys that ``secateur export --json`` prints. It knows nothing of files, TensorFlow or
how the numbers are got.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from engine.job import Quantize

Format = Literal["tflite", "savedmodel", "keras", "h5"]
FORMATS: tuple[Format, ...] = ("tflite", "savedmodel", "keras", "h5")
INPUT_TYPES: tuple[str, ...] = ("float", "int8", "uint8")
QUANTIZATIONS: tuple[Quantize, ...] = ("none", "float16", "dynamic", "int8")

SUFFIXES: dict[str, str] = {"tflite": ".tflite", "savedmodel": "", "keras": ".keras", "h5": ".h5"}
"""File name suffix of each format; a SavedModel is a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Time of one call at batch 1, in milliseconds, over ``runs`` calls after a warm-up."""

    median: float
    p90: float
    runs: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What the fresh process saw when it re-opened and ran the file.

    ``max_abs_diff`` is the largest absolute difference from the model that was converted, over
    all outputs and samples; ``agreement`` the share of equal decisions (class per sample or per
    pixel; None where the outputs are no decisions). ``metric`` and ``value`` need labelled
    samples; ``model_value`` is that of the model on the same ones. ``samples`` counts what was
    compared; ``live`` says that no samples were given and random input was used. ``zeros`` are the
    exact zeros in the kernels of the written file (None for a SavedModel).
    """

    reloaded: bool
    max_abs_diff: float | None = None
    agreement: float | None = None
    metric: str | None = None
    value: float | None = None
    model_value: float | None = None
    latency_ms: Latency | None = None
    samples: int = 0
    live: bool = False
    zeros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """One saved and checked export.

    ``bytes`` of a folder is the sum over its files, ``gzip_bytes`` the sum of their gzip sizes
    (level 9, no time stamp). ``ops`` counts the operators of a TFLite file; ``io`` is the type of
    its input and output. ``runs_on`` says where it was run and where not, ``load`` holds code that
    loads it, by language. ``notes`` are sentences for people: what was assumed and did not help.
    """

    path: str
    bytes: int
    gzip_bytes: int
    checks: Checks
    format: str = "tflite"
    quantize: str = "none"
    sparse: bool = False
    io: str = "float"
    ops: dict[str, int] | None = None
    runs_on: str | None = None
    load: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
