"""Every export of a finished run beside the dense model's: size, accuracy of the file, latency.

    python -m tests.bench.exports [--shared DIR] [--run RUN] [--samples N] [CELL ...]

Makes the run itself, or takes one that is finished (``--run``, with its one cell). Files of the
pruned and of the dense model are judged on the same images of the search split and timed in turn
in one process. Prints a table a cell and appends it to ``results/exports.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from engine import api, jsonio
from engine.data.sample import sample_model_path
from engine.errors import SecateurError
from engine.export import ExportResult, HelperProcess, export_model, latency_pair
from engine.export.result import SUFFIXES
from engine.job import DataSpec, Goal, Job, Quantize
from engine.modelfile.reader import open_model
from engine.runs import MODEL, RunFolder
from engine.search.context import open_data
from engine.search.samples import calibration_samples
from tests.bench.environment import describe
from tests.bench.first_light import CELLS as SEARCHES
from tests.bench.first_light import SHARED

RESULTS = Path(__file__).parent / "results" / "exports.jsonl"
CELLS = ("digits", "vgg_fashion")
TIMED_RUNS = 200

KINDS: tuple[tuple[str, Quantize, bool], ...] = (
    ("tflite", "none", False),
    ("tflite", "none", True),
    ("tflite", "float16", False),
    ("tflite", "float16", True),
    ("tflite", "dynamic", False),
    ("tflite", "int8", False),
    ("tflite", "int8", True),
    ("savedmodel", "none", False),
    ("keras", "none", False),
    ("h5", "none", False),
)
CONTROLS: tuple[tuple[str, Quantize, bool], ...] = (
    ("tflite", "none", False),
    ("tflite", "int8", False),
)


def job_of(cell: str, shared: Path) -> Job:
    """The search of a cell of the main job's bench."""
    model, data, tolerance, budget = SEARCHES[cell]
    return Job(
        model=str(shared / "models" / model if model else sample_model_path()),
        data=DataSpec(source=str(shared / "data" / data) if model else data),
        goal=Goal(tolerance=tolerance),
        budget=budget,
    )


def write_samples(job: Job, out: Path, count: int) -> int:
    """Images of the search split with labels, and training images to calibrate on."""
    file, weights = open_model(Path(job.model))
    opened = open_data(job, file, weights)
    part = opened.data.search.sample(count)
    np.savez(
        out,
        x=opened.preprocess.apply_numpy(part.images),
        y=part.labels,
        calibration=calibration_samples(opened.data, opened.preprocess),
    )
    return len(part)


@contextmanager
def helpers() -> Iterator[Any]:
    """A caller that converts in one process and checks in another."""
    with HelperProcess() as converter, HelperProcess() as checker:

        def call(target: str, payload: object, *, timeout_s: float) -> Any:
            helper = converter if ".convert:" in target else checker
            return helper.call(target, payload, timeout_s=timeout_s)

        yield call


def table(model: Path, pruned: Path, samples: Path, folder: Path) -> list[dict[str, Any]]:
    """One row a file: what it is, how large, how good, how fast."""
    rows: list[dict[str, Any]] = []
    timed: list[tuple[dict[str, Any], Path]] = []
    with helpers() as caller:
        sources = [("dense", model, kind) for kind in CONTROLS]
        sources += [("pruned", pruned, kind) for kind in KINDS]
        for who, source, (to, quantize, sparse) in sources:
            out = folder / f"{who}-{quantize}-{'sparse' if sparse else 'dense'}{SUFFIXES[to]}"
            row: dict[str, Any] = {"model": who, "to": to, "quantize": quantize, "sparse": sparse}
            rows.append(row)
            try:
                found = export_model(
                    source, to, out, quantize=quantize, sparse=sparse, samples=samples,
                    force=True, caller=caller,
                )  # fmt: skip
            except SecateurError as error:
                row["refused"] = error.message
                continue
            row |= figures(found)
            if to == "tflite":
                timed.append((row, out))
        latencies = latency_pair([path for _, path in timed], runs=TIMED_RUNS, caller=caller)
    for (row, _), latency in zip(timed, latencies, strict=True):
        row["latency_ms"] = jsonio.to_plain(latency)
    return rows


def figures(found: ExportResult) -> dict[str, Any]:
    """What a row tells of an export."""
    return {
        "bytes": found.bytes,
        "gzip_bytes": found.gzip_bytes,
        "encoded_sparsely": found.sparse,
        "max_abs_diff": found.checks.max_abs_diff,
        "agreement": found.checks.agreement,
        "metric": found.checks.metric,
        "value": found.checks.value,
        "model_value": found.checks.model_value,
        "samples": found.checks.samples,
        "latency_ms": None,
        "ops": found.ops,
    }


def show(rows: list[dict[str, Any]]) -> None:
    """The table, with the dense int8 file as the measure."""
    control = next(r for r in rows if r["model"] == "dense" and r["quantize"] == "int8")
    for row in rows:
        name = f"{row['model']:6} {row['to']:10} {row['quantize']:8}"
        name += " sparse" if row["sparse"] else "       "
        if "refused" in row:
            print(f"{name} {row['refused']}")
            continue
        speed = ""
        if row["latency_ms"] is not None:
            median, p90 = row["latency_ms"]["median"], row["latency_ms"]["p90"]
            times = control["latency_ms"]["median"] / median
            speed = f"{median:7.3f} ms p90 {p90:7.3f} ({times:4.1f}x)"
        print(
            f"{name} {row['bytes']:9,} B ({control['bytes'] / row['bytes']:5.1f}x) "
            f"gzip {row['gzip_bytes']:9,} {row['metric']} {row['value']:.4f} "
            f"(model {row['model_value']:.4f}) agree {row['agreement']:.4f} {speed}"
        )


def main() -> None:
    """Make or take the runs, export, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", help=", ".join(CELLS))
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of models/ and data/")
    parser.add_argument("--run", type=Path, help="a finished run, instead of making one")
    parser.add_argument("--samples", type=int, default=2000, help="images to judge the files on")
    options = parser.parse_args()
    for cell in options.cells or CELLS:
        with tempfile.TemporaryDirectory(prefix="secateur-bench-") as scratch:
            if options.run is None:
                job = job_of(cell, options.shared)
                run = Path(scratch) / "run"
                api.prune(job, run)
            else:
                run = options.run
                job = RunFolder.open(run).job()
            samples, folder = Path(scratch) / "samples.npz", Path(scratch) / "files"
            folder.mkdir()
            write_samples(job, samples, options.samples)
            rows = table(Path(job.model), run / MODEL, samples, folder)
        print(f"\n{cell}")
        show(rows)
        line = {"cell": cell, "rows": rows, "environment": jsonio.to_plain(describe())}
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
