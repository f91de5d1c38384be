"""What an export is asked for and what it gives back, as frozen plain data.

Owns the keys that ``secateur export --json`` prints. It knows nothing of files, TensorFlow or
how the numbers are got.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from engine.events import Latency
from engine.job import Quantize

Format = Literal["tflite", "savedmodel", "keras", "h5"]
FORMATS: tuple[Format, ...] = ("tflite", "savedmodel", "keras", "h5")
QUANTIZATIONS: tuple[Quantize, ...] = ("none", "float16", "dynamic", "int8")

SUFFIXES: dict[str, str] = {"tflite": ".tflite", "savedmodel": "", "keras": ".keras", "h5": ".h5"}
"""File name suffix of each format; a SavedModel is a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What the fresh process saw when it re-opened and ran the file.

    ``max_abs_diff`` is the largest absolute difference from the model that was converted, over
    all outputs and samples; ``agreement`` the share of equal decisions (class per sample or per
    pixel; None where the outputs are no decisions). ``metric`` and ``value`` need labelled
    samples; ``model_value`` is that of the model on the same ones. ``samples`` counts what was
    compared; ``live`` says that no samples were given and random input was used. ``zeros`` are the
    exact zeros in the kernels of the written file, ``model_zeros`` those of the model.
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
    model_zeros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A TFLite file of the uncut model, made for comparison and not kept."""

    bytes: int
    gzip_bytes: int
    latency_ms: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """What clustering did to the kernels of an export.

    ``values`` is the most distinct nonzero values of a kernel. ``fixed_bytes`` and
    ``huffman_bytes`` are the whole model with codes of fixed length and with Huffman codes
    (codebooks, indices, positions and code tables counted). ``loss_before`` and ``loss_after``
    are the training loss before and after the centroids were fine-tuned in ``steps`` steps, None
    where they were not. ``unclustered_value`` is the metric of the model before clustering, on
    the samples of the check.
    """

    values: int
    kernels: int
    rmse: float
    fixed_bytes: int
    huffman_bytes: int
    steps: int = 0
    loss_before: float | None = None
    loss_after: float | None = None
    unclustered_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """One saved and checked export.

    ``bytes`` of a folder is the sum over its files, ``gzip_bytes`` the sum of their gzip sizes
    (level 9, no time stamp). ``ops`` counts the operators of a TFLite file; ``io`` is the type of
    its input and output. ``runs_on`` says where it was run and where not, ``load`` holds code that
    loads it, by language. ``beside`` are the ``dense_float32`` and ``dense_int8`` files of the
    uncut model, timed in turn with this one. ``notes`` are sentences for people: what was assumed
    and did not help.
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
    beside: dict[str, Beside] = field(default_factory=dict)
    cluster: Clusters | None = None
    notes: tuple[str, ...] = ()
