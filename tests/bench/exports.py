"""Every export of a finished run beside the dense model's: size, accuracy of the file, latency.

    python -m tests.bench.exports [--shared DIR] [--run RUN] [--samples N] [--again] [CELL ...]

Makes the run itself, or takes one that is finished (``--run``, with its one cell). Files of the
pruned and of the dense model are judged on the same images of the search split and timed in turn
in one process. Prints a table a cell and appends it to ``results/exports.jsonl``; a cell that is
there with this version of the table is not run again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from engine import api, jsonio
from engine.data.sample import sample_model_path
from engine.errors import SecateurError
from engine.export import ExportResult, HelperProcess, export_model, latency_pair
from engine.export.result import SUFFIXES, Clusters
from engine.job import Budget, DataSpec, Goal, Job, Quantize
from engine.modelfile.reader import open_model
from engine.report.result import result_of
from engine.runs import MODEL, RunFolder
from engine.saving import clustered
from engine.search.context import Opened, open_data
from engine.search.samples import calibration_samples
from tests.bench.environment import describe
from tests.bench.first_light import CELLS as SEARCHES
from tests.bench.first_light import SHARED

RESULTS = Path(__file__).parent / "results" / "exports.jsonl"
CELLS = ("digits", "vgg_fashion", "vgg_fashion_channels")
CHANNELS = "_channels"
"""End of the name of a cell whose search removes channels only: what makes raw files small."""

TIMED_RUNS = 200
THREADS = {1: "latency_1_thread_ms", 2: "latency_ms"}
"""Both are told; the goal is read on one: small nets on two threads mostly wait for each other, the
more so the busier the machine is."""
FIGURES = ("status", "tolerance", "drop", "baseline", "final", "controls", "seed", "cost")
Row: TypeAlias = dict[str, Any]

TABLE = 2
"""Version of the table's rows; an older one is measured again."""

SMALLER, FASTER, POINTS = 5.0, 2.5, 0.003
"""The goal, of the pruned int8 file: raw bytes and median latency of the dense int8 file over its
own, and how far its metric may be from the pruned Keras model's."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to write a model."""

    to: str
    quantize: Quantize = "none"
    sparse: bool = False
    io: str = "float"
    cluster: int | None = None

    @property
    def name(self) -> str:
        """In the table and as the file's."""
        words = [self.to, self.quantize, "sparse" if self.sparse else ""]
        words += [self.io, "" if self.cluster is None else f"{self.cluster}-values"]
        return " ".join(word for word in words if word not in ("", "none", "float"))


KINDS = (
    Kind("tflite"),
    Kind("tflite", sparse=True),
    Kind("tflite", "float16"),
    Kind("tflite", "float16", sparse=True),
    Kind("tflite", "dynamic"),
    Kind("tflite", "dynamic", sparse=True),
    Kind("tflite", "int8"),
    Kind("tflite", "int8", sparse=True),
    Kind("tflite", "int8", io="int8"),
    Kind("tflite", "int8", io="uint8"),
    Kind("tflite", cluster=32),
    Kind("tflite", cluster=16),
    Kind("tflite", "float16", cluster=16),
    Kind("tflite", "int8", cluster=16),
    Kind("savedmodel"),
    Kind("keras"),
    Kind("h5"),
)
CONTROLS = (Kind("tflite"), Kind("tflite", "int8"))


def job_of(cell: str, shared: Path) -> Job:
    """A short search of a cell of the main job's bench; the uncut files are made for the table.

    Real models are made small as raw files, which zeros do not change: by channels.
    """
    name = cell.removesuffix(CHANNELS)
    model, data, tolerance, budget = SEARCHES[name]
    if model:
        budget = Budget(max_trials=5, epochs=3)
    return Job(
        model=str(shared / "models" / model if model else sample_model_path()),
        data=DataSpec(source=str(shared / "data" / data) if model else data),
        goal=Goal(tolerance=tolerance, minimise="file" if model else "size"),
        budget=budget,
        strategy="heuristic" if cell == name else "structured",
        controls=not model,
    )


def write_samples(opened: Opened, out: Path, count: int) -> None:
    """Images of the search split with labels, and training images to calibrate on."""
    part = opened.data.search.sample(count)
    np.savez(
        out,
        x=opened.preprocess.apply_numpy(part.images),
        y=part.labels,
        calibration=calibration_samples(opened.data, opened.preprocess),
    )


@contextmanager
def helpers() -> Iterator[Any]:
    """A caller that converts in one process and checks in another."""
    with HelperProcess() as converter, HelperProcess() as checker:

        def call(target: str, payload: object, *, timeout_s: float) -> Any:
            helper = converter if ".convert:" in target else checker
            return helper.call(target, payload, timeout_s=timeout_s)

        yield call


def table(job: Job, pruned: Path, opened: Opened, samples: Path, folder: Path) -> list[Row]:
    """One row a file: what it is, how large, how good, how fast."""
    rows: list[Row] = []
    timed: list[tuple[Row, Path]] = []
    sources: dict[int | None, tuple[Path, Clusters | None]] = {None: (pruned, None)}
    with helpers() as caller:
        wanted = [("dense", kind) for kind in CONTROLS] + [("pruned", kind) for kind in KINDS]
        for who, kind in wanted:
            if kind.cluster not in sources:
                made = replace(job, model=str(pruned))
                place = folder / f"clustered-{kind.cluster}"
                sources[kind.cluster] = clustered(made, opened, kind.cluster or 0, place)
            source, clusters = sources[kind.cluster] if who == "pruned" else (Path(job.model), None)
            out = folder / f"{who} {kind.name}{SUFFIXES[kind.to]}"
            row: Row = {"model": who, "kind": kind.name, **jsonio.to_plain(kind)}
            rows.append(row)
            try:
                found = export_model(
                    source, kind.to, out, quantize=kind.quantize, sparse=kind.sparse, io=kind.io,
                    samples=samples, force=True, caller=caller,
                )  # fmt: skip
            except SecateurError as error:
                row["refused"] = error.message
                continue
            row |= figures(found, clusters)
            if kind.to == "tflite":
                timed.append((row, out))
        paths = [path for _, path in timed]
        for threads, key in THREADS.items():
            latencies = latency_pair(paths, threads=threads, runs=TIMED_RUNS, caller=caller)
            for (row, _), latency in zip(timed, latencies, strict=True):
                row[key] = jsonio.to_plain(latency)
    return rows


def goal(rows: list[Row]) -> dict[str, Any]:
    """What the goal asks of the pruned int8 file, against the dense int8 file of the same turns."""

    def row(who: str, kind: str) -> Row:
        return next(r for r in rows if (r["model"], r["kind"]) == (who, kind))

    dense, own = row("dense", "tflite int8"), row("pruned", "tflite int8")
    smaller = dense["bytes"] / own["bytes"]
    faster = {key: dense[key]["median"] / own[key]["median"] for key in THREADS.values()}
    apart = abs(own["value"] - own["model_value"])
    return {
        "times_smaller_raw": smaller,
        "times_faster": faster["latency_1_thread_ms"],
        "times_faster_2_threads": faster["latency_ms"],
        "metric_apart": apart,
        "met": smaller >= SMALLER
        and faster["latency_1_thread_ms"] >= FASTER
        and apart <= POINTS + 1e-9,
    }


def figures(found: ExportResult, clusters: Clusters | None) -> Row:
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
        "zeros": found.checks.zeros,
        "latency_1_thread_ms": None,
        "latency_ms": None,
        "ops": found.ops,
        "clusters": jsonio.to_plain(clusters),
    }


def show(rows: list[Row]) -> None:
    """The table, with the dense int8 file as the measure."""
    control = next(r for r in rows if (r["model"], r["kind"]) == ("dense", "tflite int8"))
    for row in rows:
        name = f"{row['model']:6} {row['kind']:24}"
        if "refused" in row:
            print(f"{name} refused: {row['refused']}")
            continue
        speed = ""
        for key in THREADS.values():
            if row[key] is not None:
                median, p90 = row[key]["median"], row[key]["p90"]
                times = control[key]["median"] / median
                speed += f" {median:6.3f} ms p90 {p90:6.3f} ({times:4.1f}x)"
        coded = (
            "" if row["clusters"] is None else f" Huffman {row['clusters']['huffman_bytes']:,} B"
        )
        print(
            f"{name} {row['bytes']:9,} B ({control['bytes'] / row['bytes']:5.1f}x) "
            f"gzip {row['gzip_bytes']:9,} {row['metric']} {row['value']:.4f} "
            f"(model {row['model_value']:.4f}) agree {row['agreement']:.4f}{speed}{coded}"
        )


def finished() -> set[str]:
    """Cells whose newest table is there."""
    if not RESULTS.exists():
        return set()
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    return {line["cell"] for line in lines if line.get("table") == TABLE}


def main() -> None:
    """Make or take the runs, export, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", help=", ".join(CELLS))
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of models/ and data/")
    parser.add_argument("--run", type=Path, help="a finished run, instead of making one")
    parser.add_argument("--samples", type=int, default=2000, help="images to judge the files on")
    parser.add_argument("--again", action="store_true", help="measure finished cells again")
    options = parser.parse_args()
    for cell in options.cells or CELLS:
        if cell in finished() and not options.again:
            continue
        with tempfile.TemporaryDirectory(prefix="secateur-bench-") as scratch:
            run = Path(scratch) / "run"
            if options.run is None:
                api.prune(job_of(cell, options.shared), run)
            else:
                run = options.run
            made = RunFolder.open(run)
            job, result = made.job(), result_of(made.state())
            samples, folder = Path(scratch) / "samples.npz", Path(scratch) / "files"
            folder.mkdir()
            file, weights = open_model(Path(job.model))
            opened = open_data(job, file, weights)
            write_samples(opened, samples, options.samples)
            rows = table(job, run / MODEL, opened, samples, folder)
        print(f"\n{cell}")
        show(rows)
        line = {
            "cell": cell,
            "table": TABLE,
            "goal": goal(rows),
            "run": {
                key: result.get(key) for key in ("status", "tolerance", "drop", "seed", "cost")
            },
            "rows": rows,
            "environment": jsonio.to_plain(describe()),
        }
        print(json.dumps(line["goal"]))
        with RESULTS.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
