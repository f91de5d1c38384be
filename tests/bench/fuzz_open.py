"""Open thousands of damaged files: each ends in success or in one sentence.

``python -m tests.bench.fuzz_open [--files 2000] [--seed 0] [--rebuild 100]``

Sound files (small nets in every format) are truncated, bit-flipped and mutated key by key; each is
opened by ``read_model`` as a person's file would be, in the child process with its limits. Counted
are answers by code, crashes of the child that became a sentence, the longest time; anything else
is a failure. Some of those that open are rebuilt by Keras in one further process.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py

from engine.errors import SecateurError, UserError
from engine.modelfile import read_model
from tests.engine import modelfile_hostile as hostile

SLOWEST_S = 10.0
Mutation = Callable[[bytes, random.Random], bytes]


def seeds(folder: Path) -> list[Path]:
    """Sound files to start from; no Keras is needed to write them."""
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

    return [
        hostile.write_keras(folder / "seed.keras", config, hostile.weights(arrays)),
        hostile.write_h5(folder / "seed.h5", config, groups),
    ]


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
    """Change keys of the config inside a ``.keras`` or ``.h5`` file."""
    times = rng.choice((1, 1, 2, 3))
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(members["config.json"])
        for _ in range(times):
            config = mutate_json(config, rng)
        members["config.json"] = json.dumps(config).encode()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        return out.getvalue()
    out = io.BytesIO(data)
    with h5py.File(out, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for _ in range(times):
            config = mutate_json(config, rng)
        file.attrs["model_config"] = json.dumps(config)
    return out.getvalue()


MUTATIONS: tuple[Mutation, ...] = (truncate, flip, flip, overwrite, mutate_config, mutate_config)


def damaged_files(folder: Path, count: int, seed: int) -> Iterator[tuple[str, Path]]:
    """So many damaged files, one after the other under one name each kind; the mutation's name."""
    rng = random.Random(seed)
    sources = [(path, path.read_bytes()) for path in seeds(folder)]
    for number in range(count):
        source, data = sources[number % len(sources)]
        mutation = rng.choice(MUTATIONS)
        path = folder / f"fuzz_{number}{source.suffix}"
        path.write_bytes(mutation(data, rng))
        yield mutation.__name__, path


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


def main() -> None:
    """Run the bench and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rebuild", type=int, default=100)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    opened: list[Path] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in damaged_files(Path(folder), options.files, options.seed):
            start = time.perf_counter()
            try:
                code = answer(path, read_model)
            except (SecateurError, AssertionError) as error:
                code = f"FAILED: {error}"
            took = time.perf_counter() - start
            slowest = max(slowest, took)
            counts[f"{kind}: {code}"] += 1
            if code == "opened" and len(opened) < options.rebuild:
                opened.append(path)
            else:
                path.unlink()
        for key, count in sorted(counts.items()):
            print(f"{count:6} {key}")
        print(f"slowest {slowest:.2f} s")
        print(f"rebuilt {_rebuild(opened)} of {len(opened)} that opened; the others were refused")
    if slowest > SLOWEST_S or any("FAILED" in key for key in counts):
        raise SystemExit(1)


def _rebuild(paths: list[Path]) -> int:
    """Rebuild opened files with Keras; each succeeds or is refused in one sentence."""
    from engine.modelfile import open_model, rebuild

    done = 0
    for path in paths:
        model_file, weights = open_model(path)
        if answer(path, lambda _: rebuild.build(model_file.graph, weights)) == "opened":  # noqa: B023
            done += 1
    return done


if __name__ == "__main__":
    main()
