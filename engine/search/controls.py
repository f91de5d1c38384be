"""The controls that stand beside every result: the dense model after the same fine-tune, in int8.

A stranger's model is often undertrained, and any fine-tune lifts it; and int8 alone already makes a
file four times smaller. Without both a result says little.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from engine import events as ev
from engine import jsonio
from engine.control import EngineControl
from engine.data import Part
from engine.errors import SecateurError
from engine.export.parts import write_parts
from engine.export.request import ConvertAnswer, ConvertRequest
from engine.export.sizes import MEASURE_TIMEOUT_S
from engine.job import Quantize
from engine.modelfile.rebuild import build
from engine.runs import RunFolder
from engine.search import halfway
from engine.search.context import NORM_BATCHES, Context
from engine.search.models import Candidate
from engine.search.samples import calibration_samples
from engine.search.sizes import SizeMeter
from engine.training.evaluate import predict_outputs
from engine.training.finetune import fine_tune
from engine.training.norms import reestimate_norms

Outputs = Callable[[Part], np.ndarray]
"""Outputs of a model on a part's images."""

RUN_TIMEOUT_S = 1800.0


def dense_fine_tuned(
    context: Context,
    epochs: int,
    folder: RunFolder,
    control: EngineControl,
    *,
    on_batch: Callable[[int, int], None],
) -> keras.Model:
    """The dense model after ``epochs`` of the fine-tune that the result had, norms re-estimated.

    ``on_batch`` is told the step, from 1, and the number of steps. The state after each epoch goes
    to ``folder``, from where a later call goes on.
    """
    model = build(context.candidate.graph, context.candidate.weights)
    train = context.data.train
    settings = replace(context.settings, epochs=max(1, epochs))
    digest = halfway.digest_of(0, "dense_fine_tuned", settings=settings)
    fine_tune(
        model, train.images, train.labels, preprocess=context.transform, loss=context.loss,
        settings=settings, teacher=context.teacher, augment=context.augmenting.apply,
        control=control, on_batch=lambda step, steps, loss: on_batch(step, steps),
        on_state=lambda state: halfway.save(folder, digest, state),
        start=halfway.load(folder, digest),
    )  # fmt: skip
    reestimate_norms(
        model, train.images, preprocess=context.transform, batches=NORM_BATCHES,
        seed=context.job.seed, control=control,
    )  # fmt: skip
    return model


def outputs_of_model(context: Context, model: keras.Model, control: EngineControl) -> Outputs:
    """Outputs of a Keras model."""
    return lambda part: predict_outputs(
        model, part.images, preprocess=context.transform, control=control
    )


class QuantizedFile:
    """A candidate as a quantised TFLite file, run in the helper process.

    Parameters
    ----------
    scratch
        A folder that lives as long as this.

    Raises
    ------
    SecateurError
        Where it cannot be converted.
    """

    def __init__(
        self,
        context: Context,
        candidate: Candidate,
        meter: SizeMeter,
        scratch: Path,
        *,
        quantize: Quantize,
    ) -> None:
        self._context = context
        self._meter = meter
        self._scratch = scratch
        parts = scratch / "parts"
        parts.mkdir()
        write_parts(parts, candidate.graph, candidate.weights)
        calibration = scratch / "calibration.npz"
        np.savez(calibration, x=calibration_samples(context.data, context.preprocess))
        self.path = scratch / "quantized.tflite"
        request = ConvertRequest(
            source=str(parts), to="tflite", out=str(self.path), quantize=quantize,
            reference=str(scratch / "reference.npz"), live_samples=str(scratch / "live.npz"),
            samples=str(calibration) if quantize == "int8" else None,
        )  # fmt: skip
        answer = meter.call("engine.export.convert:convert", request, timeout_s=MEASURE_TIMEOUT_S)
        self._inputs = jsonio.from_plain(answer, ConvertAnswer).inputs

    def __call__(self, part: Part) -> np.ndarray:
        """Outputs on a part's images."""
        samples, out = self._scratch / "samples.npz", self._scratch / "outputs.npy"
        np.savez(samples, x=self._context.preprocess.apply_numpy(part.images))
        self._meter.call(
            "engine.export.outputs:file_outputs",
            {"path": str(self.path), "samples": str(samples), "out": str(out),
             "inputs": self._inputs},
            timeout_s=RUN_TIMEOUT_S,
        )  # fmt: skip
        found: np.ndarray = np.load(out, allow_pickle=False)
        return found


def measure_control(
    name: str, context: Context, outputs: Outputs, *, epochs: int, sizes: ev.Sizes | None = None
) -> ev.ControlMeasured:
    """A control's value on the search split and, in the run's one reading, on the report split."""
    measure = context.measure
    search, report = (
        measure.rows(outputs(part), part.labels)
        for part in (context.data.search, context.data.report)
    )
    return ev.ControlMeasured(
        name=name, search=measure.value(search), report=measure.value(report), epochs=epochs,
        interval=measure.interval(report), sizes=sizes,
    )  # fmt: skip


def measure_int8(
    name: str, context: Context, candidate: Candidate, meter: SizeMeter
) -> ev.ControlMeasured | ev.Warned:
    """A candidate in int8; a warning where it cannot be had."""
    with tempfile.TemporaryDirectory(prefix="secateur-") as scratch:
        try:
            outputs = QuantizedFile(context, candidate, meter, Path(scratch), quantize="int8")
            return measure_control(name, context, outputs, epochs=0)
        except SecateurError as error:
            return ev.Warned(code="control.int8", message=f"Int8 was not measured: {error}")
