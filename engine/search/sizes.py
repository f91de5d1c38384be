"""Size and objective of a candidate, measured: a helper process converts it and counts bytes.

Owns what the goal's word ("size", "file", "params", "macs", "latency") means as a number.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from engine import events as ev
from engine.errors import SecateurError
from engine.export.latency import latency_pair
from engine.export.parts import write_parts
from engine.export.request import ConvertRequest
from engine.export.server import HelperProcess
from engine.export.sizes import (
    MEASURE_TIMEOUT_S,
    FileSizes,
    estimate_gzip_bytes,
    measure_sizes,
)
from engine.job import Job, Quantize
from engine.search.describe import counts
from engine.search.models import Candidate


class SizeMeter:
    """Measures candidates of one job; a context manager, since it holds a helper process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._helper = HelperProcess()
        self._dense: Candidate | None = None

    def __enter__(self) -> SizeMeter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._helper.close()

    def call(self, target: str, payload: object, *, timeout_s: float) -> Any:
        """Call a function in the helper process; see :class:`engine.export.server.Caller`."""
        return self._helper.call(target, payload, timeout_s=timeout_s)

    def measure(self, candidate: Candidate) -> ev.Sizes:
        """Counts, bytes and objective of a candidate.

        Where the converter refuses or dies, bytes stay None and the objective is an estimate of
        the same quantity, so that the search can go on.
        """
        sizes = counts(candidate.graph, candidate.weights)
        try:
            files = measure_sizes(
                candidate.graph, candidate.weights, caller=self._helper.call, int8=True
            )
        except SecateurError:
            return replace(sizes, objective=self._estimate(candidate, sizes))
        sizes = replace(
            sizes,
            tflite_bytes=files.tflite_bytes,
            tflite_gzip_bytes=files.tflite_gzip_bytes,
            tflite_int8_bytes=files.tflite_int8_bytes,
            tflite_int8_gzip_bytes=files.tflite_int8_gzip_bytes,
        )
        return replace(sizes, objective=self._objective(candidate, sizes, files))

    def with_keras_bytes(self, sizes: ev.Sizes, path: Path) -> ev.Sizes:
        """The sizes with those of a Keras file, which holds no optimiser."""
        return replace(sizes, keras_bytes=path.stat().st_size)

    def _objective(self, candidate: Candidate, sizes: ev.Sizes, files: FileSizes) -> float:
        int8 = self._job.quantize == "int8"
        match self._job.goal.minimise:
            case "params":
                return float(sizes.nonzero)
            case "macs":
                return float(sizes.macs or 0)
            case "file":
                raw = files.tflite_int8_bytes if int8 else files.tflite_bytes
                return float(raw if raw is not None else files.tflite_bytes)
            case "latency":
                return self._latency(candidate)
            case _:
                packed = files.tflite_int8_gzip_bytes if int8 else files.tflite_gzip_bytes
                return float(packed if packed is not None else files.tflite_gzip_bytes)

    def _estimate(self, candidate: Candidate, sizes: ev.Sizes) -> float:
        match self._job.goal.minimise:
            case "params":
                return float(sizes.nonzero)
            case "macs" | "latency":
                return float(sizes.macs or 0)
            case _:
                return float(
                    estimate_gzip_bytes(
                        candidate.graph, candidate.weights, quantize=self._job.quantize
                    )
                )

    def latencies(
        self,
        candidates: Sequence[Candidate],
        quantize: Sequence[Quantize] = (),
        samples: Path | None = None,
    ) -> list[ev.Latency]:
        """Latency of candidates as TFLite files at batch 1, timed in turn in one process.

        Parameters
        ----------
        quantize
            How each is quantised; without it none is.
        samples
            ``x`` in an .npz file, ready for the models: what int8 is calibrated on.

        Raises
        ------
        SecateurError
            Where one cannot be converted or run.
        """
        kinds: Sequence[Quantize] = quantize or ["none"] * len(candidates)
        with tempfile.TemporaryDirectory(prefix="secateur-") as scratch:
            paths = [
                self._converted(candidate, Path(scratch), index, how, samples)
                for index, (candidate, how) in enumerate(zip(candidates, kinds, strict=True))
            ]
            return latency_pair(paths, caller=self._helper.call)

    def _converted(
        self,
        candidate: Candidate,
        scratch: Path,
        index: int,
        quantize: Quantize,
        samples: Path | None,
    ) -> Path:
        folder = scratch / f"parts-{index}"
        folder.mkdir()
        write_parts(folder, candidate.graph, candidate.weights)
        out = scratch / f"{index}.tflite"
        request = ConvertRequest(
            source=str(folder), to="tflite", out=str(out), quantize=quantize,
            reference=str(scratch / f"{index}-reference.npz"),
            live_samples=str(scratch / f"{index}-live.npz"),
            samples=str(samples) if samples is not None and quantize == "int8" else None,
        )  # fmt: skip
        self._helper.call("engine.export.convert:convert", request, timeout_s=MEASURE_TIMEOUT_S)
        return out

    def _latency(self, candidate: Candidate) -> float:
        """Median time over that of the first candidate measured, which is the baseline."""
        if self._dense is None:
            self._dense = candidate
        dense, own = self.latencies([self._dense, candidate])
        return own.median / dense.median
