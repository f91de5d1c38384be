"""Saving a model so that it can be trusted: convert, check in another process, move in.

Owns :func:`export_model` and the order of its steps. It never imports TensorFlow: conversion and
check run in processes of their own, each with a time limit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine import childproc, jsonio
from engine.errors import EngineFailure, SecateurError, UserError
from engine.events import Latency
from engine.export.card import Card, card_place, write_card
from engine.export.latency import latency_pair
from engine.export.place import beside, bytes_of, gzip_bytes_of, move_in, refuse_existing
from engine.export.request import (
    CheckAnswer,
    CheckRequest,
    ConvertAnswer,
    ConvertRequest,
    SizesRequest,
)
from engine.export.result import FORMATS, QUANTIZATIONS, Beside, Checks, ExportResult
from engine.export.server import Caller
from engine.export.unsafe import refuse_unsafe
from engine.export.usage import load_lines, runs_on
from engine.job import Quantize

CONVERT_TIMEOUT_S = 900.0
CHECK_TIMEOUT_S = 900.0
THREADS = 2
RUNS = 50


def export_model(
    source: Path,
    to: str,
    out: Path,
    *,
    quantize: Quantize = "none",
    sparse: bool = False,
    io: str = "float",
    samples: Path | None = None,
    force: bool = False,
    input_shape: Sequence[int] | None = None,
    metric: str | None = None,
    card: Card | None = None,
    dense: Path | None = None,
    custom: Path | None = None,
    progress: Callable[[str], None] | None = None,
    caller: Caller = childproc.call,
) -> ExportResult:
    """Export a Keras file; it is at ``out`` only after a fresh process has loaded and run it.

    Parameters
    ----------
    source
        A ``.keras`` or ``.h5`` file, ours or a stranger's. It is only read.
    to
        ``"tflite"``, ``"savedmodel"`` (a folder), ``"keras"`` or ``"h5"``.
    out
        Place to write to.
    quantize, sparse, io
        For TFLite only; see :func:`engine.export.tflite.convert_frozen`.
    custom
        The Python file of the model's custom layers.
    samples
        An ``.npz`` with model-ready ``x`` (float32, batch axis first), optionally ``y`` (labels:
        the export is judged by them) and ``calibration`` (training input for int8, else it takes
        some of ``x``). Without it random input is used, which the result says.
    force
        Replace what stands at ``out``.
    input_shape
        Size of the input without the batch axis, where the model leaves it open.
    metric
        Metric for labelled samples; by default the one that model and labels suggest.
    card
        Class names and preprocessing: written as JSON beside the file and into it
        (:mod:`engine.export.card`) and, as a second signature, into a SavedModel.
    dense
        The Keras file of the uncut model: its float32 and int8 files are made for comparison and
        timed in turn with a TFLite export. They are not kept.
    progress
        Told ``"converting"``, ``"checking"``, ``"moving"``.
    caller
        Runs the steps elsewhere; a :class:`~engine.export.server.HelperProcess`'s ``call`` saves
        the start of TensorFlow where many exports follow each other.

    Raises
    ------
    UserError
        ``out.exists``, ``export.format``, ``export.options``, ``export.sparse_dynamic``,
        ``export.no_calibration``, ``export.operators``, ``export.not_found``, and what reading
        the model and the samples says.
    EngineFailure
        ``export.check_failed``, ``export.converter``, ``export.converter_died``,
        ``export.checker_died``. Nothing is left at ``out``.
    """
    source, out = source.absolute(), out.absolute()
    _refuse(source, to, out, quantize=quantize, sparse=sparse, io=io, samples=samples)
    refuse_existing(out, force=force)
    if card is not None and to != "savedmodel":
        refuse_existing(card_place(out, to), force=force)
    say = progress or (lambda stage: None)
    with beside(out) as folder, tempfile.TemporaryDirectory(prefix="secateur-") as scratch:
        made, live = folder / out.name, Path(scratch, "live.npz")
        if to in ("keras", "h5"):
            made = folder / f"model.{to}"
        request = ConvertRequest(
            source=str(source),
            to=to,
            out=str(made),
            reference=str(Path(scratch, "reference.npz")),
            live_samples=str(live),
            quantize=quantize,
            sparse=sparse,
            io=io,
            samples=None if samples is None else str(samples.absolute()),
            input_shape=None if input_shape is None else tuple(input_shape),
            card=card,
            custom=None if custom is None else str(custom),
        )
        say("converting")
        converted = _convert(request, caller)
        say("checking")
        checked = _check(request, converted, metric, caller)
        if checked.failure is not None:
            raise EngineFailure(
                "export.check_failed",
                f"The {_kind(to, quantize)} was written, but {checked.failure}; nothing was saved "
                f"at {out}.",
                "Another quantisation may do; a SavedModel or .keras file holds the same model.",
            )
        compared = _Compared(latency=checked.latency_ms)
        if dense is not None and to == "tflite":
            say("timing")
            compared = _time_beside(made, dense, Path(scratch), request, caller)
        say("moving")
        if card is not None:
            beside_it = _write_card(card, request, converted, made, out)
            if to != "savedmodel":
                move_in(beside_it, card_place(out, to), force=force)
        size, packed = bytes_of(made), gzip_bytes_of(made)
        move_in(made, out, force=force)
    return _result(out, request, converted, checked, compared, size, packed)


def _refuse(
    source: Path,
    to: str,
    out: Path,
    *,
    quantize: str,
    sparse: bool,
    io: str,
    samples: Path | None,
) -> None:
    """Say no, before any process is started, to what cannot end well."""
    if to not in FORMATS:
        raise UserError(
            "export.format",
            f"No such export format: {to}.",
            f"Choose one of {', '.join(FORMATS)}.",
        )
    if quantize not in QUANTIZATIONS:
        raise UserError(
            "export.options",
            f"No such quantisation: {quantize}.",
            f"Choose one of {', '.join(QUANTIZATIONS)}.",
        )
    if to != "tflite" and (quantize != "none" or sparse):
        raise UserError(
            "export.options",
            f"Only TFLite files can be quantised or sparsely encoded: received {to} with "
            f"{quantize if quantize != 'none' else 'sparse'}.",
            "Leave the option out, or use --to tflite.",
        )
    refuse_unsafe(quantize=quantize, sparse=sparse, io=io, calibrated=samples is not None)
    for path, what in ((source, "model"), (samples, "samples")):
        if path is not None and not path.exists():
            raise UserError(
                "export.not_found", f"There is no {what} file: {path}.", "Check the name."
            )
    if source == out:
        raise UserError(
            "out.is_source",
            f"The export would replace the model that it is made from: {out}.",
            "Choose another name.",
        )


def _convert(request: ConvertRequest, caller: Caller) -> ConvertAnswer:
    try:
        answer = caller("engine.export.convert:convert", request, timeout_s=CONVERT_TIMEOUT_S)
    except childproc.ChildDied as death:
        raise EngineFailure(
            "export.converter_died",
            f"The process that converts to {_kind(request.to, request.quantize)} "
            f"{death.outcome.describe()}; nothing was saved: {request.source}.",
            "Another format or quantisation may work.",
        ) from death
    return jsonio.from_plain(answer, ConvertAnswer)


def _check(
    request: ConvertRequest, converted: ConvertAnswer, metric: str | None, caller: Caller
) -> CheckAnswer:
    check = CheckRequest(
        path=request.out,
        format=request.to,
        samples=request.live_samples if request.samples is None else request.samples,
        reference=request.reference,
        inputs=converted.inputs,
        thresholds=converted.thresholds,
        custom=converted.custom,
        task=converted.task,
        metric=metric,
        card=request.card,
        quantize=request.quantize,
        threads=THREADS,
        runs=RUNS,
    )
    try:
        answer = caller("engine.export.check:check", check, timeout_s=CHECK_TIMEOUT_S)
    except childproc.ChildDied as death:
        raise EngineFailure(
            "export.checker_died",
            f"The {_kind(request.to, request.quantize)} was written, but the process that ran it "
            f"{death.outcome.describe()}; nothing was saved: {request.source}.",
            "Another format or quantisation may work.",
        ) from death
    return jsonio.from_plain(answer, CheckAnswer)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """Latency of an export, and of the uncut model's files where they took turns with it."""

    latency: Latency | None
    beside: dict[str, Beside] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _time_beside(
    made: Path, dense: Path, scratch: Path, request: ConvertRequest, caller: Caller
) -> _Compared:
    """Time the export in turn with the uncut model's float32 and int8 files."""
    floats, int8 = scratch / "dense.tflite", scratch / "dense-int8.tflite"
    asked = SizesRequest(
        source=str(dense), tflite=str(floats), tflite_int8=str(int8),
        input_shape=request.input_shape,
    )  # fmt: skip
    notes: tuple[str, ...] = ()
    try:
        caller("engine.export.convert:sizes", asked, timeout_s=CONVERT_TIMEOUT_S)
    except SecateurError as error:
        notes = (f"The uncut model was not timed beside it: {error.message}",)
    paths = {
        name: path
        for name, path in (("dense_float32", floats), ("dense_int8", int8))
        if path.exists()
    }
    own, *others = latency_pair([made, *paths.values()], threads=THREADS, runs=RUNS, caller=caller)
    beside = {
        name: Beside(bytes=bytes_of(path), gzip_bytes=gzip_bytes_of(path), latency_ms=latency)
        for (name, path), latency in zip(paths.items(), others, strict=True)
    }
    return _Compared(latency=own, beside=beside, notes=notes)


def _write_card(
    card: Card, request: ConvertRequest, converted: ConvertAnswer, made: Path, out: Path
) -> Path:
    """Write the card, in a SavedModel at its place, else beside the file that is not moved yet."""
    place = card_place(made, request.to)
    write_card(
        place,
        card,
        made,
        name=out.name,
        to=request.to,
        quantize=request.quantize,
        io=request.io,
        inputs=converted.input_specs,
    )
    return place


def _result(
    out: Path,
    request: ConvertRequest,
    converted: ConvertAnswer,
    checked: CheckAnswer,
    compared: _Compared,
    size: int,
    packed: int,
) -> ExportResult:
    notes = (*converted.notes, *checked.notes, *compared.notes)
    if request.quantize == "none" and checked.zeros not in (None, converted.zeros):
        notes += (
            f"The kernels of the file hold {checked.zeros} zeros, those of the model"
            f" {converted.zeros}: the converter folded layers.",
        )
    if converted.live:
        notes += ("No samples were given: it was compared on random input.",)
    return ExportResult(
        path=str(out),
        bytes=size,
        gzip_bytes=packed,
        checks=Checks(
            reloaded=True,
            max_abs_diff=checked.max_abs_diff,
            agreement=checked.agreement,
            metric=checked.metric,
            value=checked.value,
            model_value=checked.model_value,
            latency_ms=compared.latency,
            samples=checked.samples,
            live=converted.live,
            zeros=checked.zeros,
            model_zeros=converted.zeros,
        ),
        format=request.to,
        quantize=request.quantize,
        sparse=converted.sparse,
        io=request.io,
        ops=checked.ops,
        runs_on=runs_on(
            request.to,
            quantize=request.quantize,
            sparse=converted.sparse,
            io=request.io,
            ops=checked.ops,
            latency=compared.latency,
        ),
        load=load_lines(
            request.to,
            out.name,
            inputs=converted.inputs,
            pixels=request.preprocess is not None,
        ),
        beside=compared.beside,
        notes=notes,
    )


def _kind(to: str, quantize: str) -> str:
    names = {"tflite": "TFLite file", "savedmodel": "SavedModel", "h5": "HDF5 file"}
    name = names.get(to, "Keras file")
    return name if quantize == "none" else f"{quantize} {name}"
