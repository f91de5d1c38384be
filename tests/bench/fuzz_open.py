"""Open thousands of damaged files: each ends in success or in one sentence.

``python -m tests.bench.fuzz_open [--cells 0 1 2 3] [--size 500] [--rebuild 25] [--again]``

Sound files (small nets as ``.keras``, ``.h5``, SavedModel, JSON with weights and TFLite) are
truncated, bit-flipped and mutated key by key; each is opened as a person's file would be, in the
child process with its limits. Counted are answers by code, the longest time and the largest memory;
anything but success or one sentence is a failure. Some of those that open are rebuilt by Keras in
one further process. A finished cell is appended to ``results/fuzz_open.jsonl``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from engine import childproc, jsonio
from engine.errors import SecateurError, UserError
from engine.modelfile import view_model
from tests.bench.environment import describe
from tests.engine import modelfile_hostile as hostile
from tests.engine import modelfile_writers as writers

SLOWEST_S = 10.0
MOST_BYTES = 2 << 30
RESULTS = Path(__file__).parent / "results" / "fuzz_open.jsonl"
Mutation = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A sound model: its files by name, the one that is opened, and the one with its weights."""

    files: dict[str, bytes]
    opened: str
    weights: str | None = None

    def write(self, folder: Path, **changed: bytes) -> tuple[Path, Path | None]:
        """Write it, some files changed; what to open, and its weights file."""
        for name, data in {**self.files, **changed}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder / self.opened, None if self.weights is None else folder / self.weights


def seeds() -> dict[str, Seed]:
    """Sound models by format; no Keras is needed to write them."""
    dense = hostile.layer("Dense", units=2)
    config = hostile.model(hostile.CONV, hostile.layer("ReLU"), hostile.layer("Flatten"), dense)

    def arrays(file: h5py.File) -> None:
        file["layers/dense/vars/0"] = [[0.5, 0.25]] * 32
        file["layers/dense/vars/1"] = [0.0, 1.0]

    def groups(file: h5py.File) -> None:
        group = file["model_weights"].create_group("dense")
        group.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        group["dense/kernel:0"] = [[0.5, 0.25]] * 32
        group["dense/bias:0"] = [0.0, 1.0]

    kernel = np.ones((1, 1, 3, 2), "float32")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        hostile.write_keras(folder / "net.keras", config, hostile.weights(arrays))
        hostile.write_h5(folder / "net.h5", config, groups)
        small = hostile.model(hostile.CONV, hostile.layer("ReLU"))
        writers.write_savedmodel(folder / "saved", small, kernel)
        writers.write_tflite(folder / "net.tflite", np.eye(6, dtype="float32"))
        (folder / "net.json").write_text(json.dumps(config))
        (folder / "w.weights.h5").write_bytes(hostile.weights(arrays))

        def one(*names: str, opened: str | None = None, weights: str | None = None) -> Seed:
            files = {name: (folder / name).read_bytes() for name in names}
            return Seed(files=files, opened=opened or names[0], weights=weights)

        inside = (
            "saved/keras_metadata.pb", "saved/saved_model.pb", "saved/variables/variables.index",
            "saved/variables/variables.data-00000-of-00001",
        )  # fmt: skip
        return {
            "keras": one("net.keras"),
            "h5": one("net.h5"),
            "savedmodel": one(*inside, opened="saved"),
            "json": one("net.json", "w.weights.h5", weights="w.weights.h5"),
            "tflite": one("net.tflite"),
        }


def truncate(data: bytes, rng: random.Random) -> bytes:
    """Cut the end off."""
    return data[: rng.randrange(len(data))]


def flip(data: bytes, rng: random.Random) -> bytes:
    """Flip one to eight bits."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(data: bytes, rng: random.Random) -> bytes:
    """Write noise over a stretch."""
    start = rng.randrange(len(data))
    noise = rng.randbytes(rng.randrange(1, 64))
    return data[:start] + noise + data[start + len(noise) :]


_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 10**12, 2.5, 1e999, "", "x", "linear", [], [None], [0, 0], [[1]], {},
    {"class_name": "Lambda", "config": {}}, {"class_name": "Zeros", "config": {}}, "\u0000",
)  # fmt: skip


def mutate_json(value: Any, rng: random.Random) -> Any:
    """Replace, drop or double one value somewhere in a JSON tree."""
    places: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        item = stack.pop()
        keys = item.keys() if isinstance(item, dict) else range(len(item))
        for key in keys:
            places.append((item, key))
            if isinstance(item[key], dict | list):
                stack.append(item[key])
    holder, key = rng.choice(places)
    kind = rng.randrange(3)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[key] = rng.choice(_ODD)
    return value


def mutate_config(data: bytes, rng: random.Random) -> bytes:
    """Change keys of the config inside whichever file holds one; others are overwritten."""
    times = rng.choice((1, 1, 2, 3))

    def mutated(config: Any) -> Any:
        for _ in range(times):
            config = mutate_json(config, rng)
        return config

    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["config.json"] = json.dumps(mutated(json.loads(members["config.json"]))).encode()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        return out.getvalue()
    if data.startswith(b"{"):
        return json.dumps(mutated(json.loads(data))).encode()
    if b"_tf_keras_sequential" in data:
        start, end = data.index(b"{"), data.rindex(b"}") + 1
        config = mutated(json.loads(data[start:end]))
        return writers.metadata(json.dumps(config))
    if data.startswith(b"\x89HDF"):
        out = io.BytesIO(data)
        with h5py.File(out, "r+") as file:
            if "model_config" in file.attrs:
                file.attrs["model_config"] = json.dumps(
                    mutated(json.loads(file.attrs["model_config"]))
                )
                return out.getvalue()
    return overwrite(data, rng)


BYTES: tuple[Mutation, ...] = (truncate, flip, flip, overwrite)
MUTATIONS: tuple[Mutation, ...] = (*BYTES, mutate_config, mutate_config)


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A damaged model: its format, what was done to it, what to open."""

    kind: str
    mutation: str
    path: Path
    weights: Path | None
    folder: Path


def damaged_files(
    folder: Path,
    count: int,
    seed: int,
    *,
    kinds: tuple[str, ...] = (),
    mutations: tuple[Mutation, ...] = MUTATIONS,
) -> Iterator[Damaged]:
    """So many damaged models, each in a folder of its own; the same for the same seed."""
    rng = random.Random(seed)
    sources = {kind: s for kind, s in seeds().items() if not kinds or kind in kinds}
    for number in range(count):
        kind = list(sources)[number % len(sources)]
        source = sources[kind]
        mutation = rng.choice(mutations)
        configs = [n for n, d in source.files.items() if b"class_name" in d or d[:2] == b"PK"]
        names = configs if mutation is mutate_config and configs else list(source.files)
        name = rng.choice(names)
        place = folder / f"fuzz_{number}"
        path, weights = source.write(place, **{name: mutation(source.files[name], rng)})
        yield Damaged(
            kind=kind, mutation=mutation.__name__, path=path, weights=weights, folder=place
        )


def answer(path: Path, opener: Callable[[Path], object]) -> str:
    """What a person would see: "opened", or the code of the one sentence.

    Raises
    ------
    AssertionError
        Where it is anything else.
    """
    try:
        opener(path)
    except UserError as refused:
        error = refused
    else:
        return "opened"
    text = str(error)
    assert "\n" not in text, text
    assert "Traceback" not in text, text
    assert len(text) < 700, text
    assert error.exit_code == 2
    return error.code


def rebuild_opened(payload: list[list[str | None]]) -> list[str]:
    """Rebuild models with Keras; the code of each answer. Called in a process of its own."""
    from engine.modelfile import open_model, rebuild

    codes = []
    for path, weights in payload:
        file, arrays = open_model(
            Path(str(path)), weights=None if weights is None else Path(weights)
        )
        codes.append(answer(Path(str(path)), lambda _: rebuild.build(file.graph, arrays)))  # noqa: B023
    return codes


def _cpu_of_children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def run_cell(cell: int, size: int, rebuild: int) -> dict[str, Any]:
    """Open the files of one cell and rebuild some of those that open."""
    counts: Counter[str] = Counter()
    opened: list[list[str | None]] = []
    failures: list[str] = []
    slowest = slowest_cpu = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for made in damaged_files(Path(folder), size, cell):
            start, before = time.perf_counter(), _cpu_of_children_s()
            try:
                code = answer(made.path, lambda p, w=made.weights: view_model(p, weights=w))  # type: ignore[misc]
            except (SecateurError, AssertionError) as error:
                code = "FAILED"
                failures.append(f"{made.kind} {made.mutation}: {error}")
            slowest = max(slowest, time.perf_counter() - start)
            slowest_cpu = max(slowest_cpu, _cpu_of_children_s() - before)
            counts[f"{made.kind} {made.mutation} {code}"] += 1
            if code == "opened" and made.kind != "tflite" and len(opened) < rebuild:
                weights = None if made.weights is None else str(made.weights)
                opened.append([str(made.path), weights])
            else:
                shutil.rmtree(made.folder)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        codes = childproc.call("tests.bench.fuzz_open:rebuild_opened", opened, timeout_s=1200.0)
    return {
        "cell": cell,
        "files": size,
        "opened": sum(n for key, n in counts.items() if key.endswith(" opened")),
        "failures": failures,
        "slowest_s": round(slowest, 2),
        "slowest_cpu_s": round(slowest_cpu, 2),
        "peak_bytes_of_a_child": peak,
        "rebuilt": codes.count("opened"),
        "rebuild_refused": len(codes) - codes.count("opened"),
        "answers": dict(sorted(counts.items())),
    }


def main() -> None:
    """Run the cells that are not finished and print their counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="*", default=[0, 1, 2, 3])
    parser.add_argument("--size", type=int, default=500)
    parser.add_argument("--rebuild", type=int, default=25)
    parser.add_argument("--again", action="store_true", help="run finished cells again")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])  # the rebuilding child needs tests
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.is_file() else []
    finished = {json.loads(line)["cell"] for line in lines}
    bad = False
    for cell in options.cells:
        if cell in finished and not options.again:
            continue
        result = run_cell(cell, options.size, options.rebuild)
        result["environment"] = jsonio.to_plain(describe())
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        result["load_average"] = round(os.getloadavg()[0], 1)
        print(json.dumps({key: result[key] for key in list(result)[:9]}), flush=True)
        bad |= bool(result["failures"]) or result["slowest_s"] > SLOWEST_S
        bad |= result["peak_bytes_of_a_child"] > MOST_BYTES
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
