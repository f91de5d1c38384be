"""TFLite files as the runtime sees them: outputs, operators, latency.

Owns every use of the LiteRT interpreter. It runs only in a child process: a damaged or unsafe
file can abort it. It never imports TensorFlow.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from engine import jsonio
from engine.events import Latency

SIGNATURE = "serving_default"
WARM_UP_RUNS = 3
"""Of each interpreter, before its rounds count."""

RUNS = 50

TIMES_OPENED = 5
LEAST_SECONDS = 0.25
"""How often each file is opened for its rounds, and how long they take for each file at least.

Where other programs keep cores busy, an interpreter may be twice as slow as another of the same
file for as long as it lives, by where its threads came to lie, and 50 rounds of a small net are
over before that changes. The medians of one VGG timed as two were more than 1.25 times apart in 17
of 30 trials on two busy cores (``tests.bench.timing``); so they are in 4.
"""


def open_interpreter(path: Path, *, threads: int = 2) -> Any:
    """A runtime with the file loaded and its tensors in place.

    Raises
    ------
    ValueError, RuntimeError
        Where the file is none or cannot run here.
    """
    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def run_file(
    interpreter: Any, names: Sequence[str], inputs: Sequence[np.ndarray]
) -> tuple[np.ndarray, ...]:
    """Outputs of a file, sample by sample, float32, batch axis first.

    Integer inputs and outputs are quantised and read by their own scale and zero point, so that
    values are the model's.

    Parameters
    ----------
    interpreter
        Of :func:`open_interpreter`.
    names
        Names of the inputs in the signature, in the order of ``inputs``.
    inputs
        One array an input, batch axis first.
    """
    runner = interpreter.get_signature_runner(SIGNATURE)
    taken, given = runner.get_input_details(), runner.get_output_details()
    keys = [f"output_{index}" for index in range(len(given))]
    rows: list[list[np.ndarray]] = []
    for index in range(len(inputs[0])):
        sample = {
            name: _quantized(array[index : index + 1], taken[name])
            for name, array in zip(names, inputs, strict=True)
        }
        answer = runner(**sample)
        rows.append([_float(answer[key], given[key]) for key in keys])
    return tuple(
        np.concatenate([np.asarray(row[k], np.float32) for row in rows]) for k in range(len(keys))
    )


def operators(path: Path) -> dict[str, int]:
    """How often each operator occurs in a file, by name; Flex and custom ones by their own."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    codes = [_operator_name(code, names) for code in model.operatorCodes or ()]
    counts: Counter[str] = Counter()
    for graph in model.subgraphs or ():
        counts.update(codes[op.opcodeIndex] for op in graph.operators or ())
    return dict(sorted(counts.items()))


def time_files(
    paths: Sequence[Path], *, threads: int = 2, runs: int = RUNS, seed: int = 0
) -> list[Latency]:
    """Time several files in turn: each round calls every file once, in an order of its own, so
    that all see one machine and none always follows the same other.

    Parameters
    ----------
    paths
        TFLite files; their inputs are filled with random values of their own type.
    threads
        Threads of each interpreter.
    runs
        Timed rounds after the warm-up, at least; quick files have more, see :data:`LEAST_SECONDS`.
    """
    rng = np.random.default_rng(seed)
    rounds: list[list[float]] = []
    for _ in range(TIMES_OPENED):
        rounds += _opened_once(rng, paths, threads, -(-runs // TIMES_OPENED))
    return [
        Latency(
            median=float(np.median(column)),
            p90=float(np.percentile(column, 90)),
            runs=len(rounds),
            threads=threads,
        )
        for column in np.transpose(rounds)
    ]


def _opened_once(
    rng: np.random.Generator, paths: Sequence[Path], threads: int, least: int
) -> list[list[float]]:
    """The rounds of one opening of all files, which are closed when it ends."""
    interpreters = [_filled(rng, path, threads) for path in paths]
    for _ in range(WARM_UP_RUNS):
        _round(rng, interpreters)
    seconds = LEAST_SECONDS * len(paths) / TIMES_OPENED
    began = time.perf_counter()
    rounds: list[list[float]] = []
    while len(rounds) < least or time.perf_counter() - began < seconds:
        rounds.append(_round(rng, interpreters))
    return rounds


def _filled(rng: np.random.Generator, path: Path, threads: int) -> Any:
    interpreter = open_interpreter(path, threads=threads)
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], _fill(rng, detail["shape"], detail["dtype"]))
    return interpreter


def _round(rng: np.random.Generator, interpreters: Sequence[Any]) -> list[float]:
    """Milliseconds of each, called once in a random order."""
    taken_ms = [0.0] * len(interpreters)
    for column in rng.permutation(len(interpreters)):
        start = time.perf_counter()
        interpreters[column].invoke()
        taken_ms[column] = (time.perf_counter() - start) * 1e3
    return taken_ms


def time_files_child(payload: Any) -> Any:
    """:func:`time_files` as the target of a child process."""
    paths = [Path(p) for p in payload["paths"]]
    timed = time_files(paths, threads=payload["threads"], runs=payload["runs"])
    return jsonio.to_plain(timed)


def _quantized(array: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """A model's input as the file takes it."""
    scale, zero = detail["quantization"]
    if not scale or not np.issubdtype(detail["dtype"], np.integer):
        return array
    info = np.iinfo(detail["dtype"])
    whole = np.clip(np.round(array / scale) + zero, info.min, info.max)
    return np.asarray(whole, detail["dtype"])


def _float(array: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """A file's output in the model's units."""
    scale, zero = detail["quantization"]
    if not scale or not np.issubdtype(array.dtype, np.integer):
        return array
    return np.asarray((array.astype(np.float32) - zero) * scale, np.float32)


def _fill(rng: np.random.Generator, shape: Any, dtype: Any) -> np.ndarray:
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        low, high = max(info.min, -128), min(info.max, 127)
        return np.asarray(rng.integers(low, high, shape, dtype=dtype))
    return np.asarray(rng.random(shape), dtype)


def _operator_name(code: Any, names: dict[int, str]) -> str:
    if code.customCode:
        return bytes(code.customCode).decode("utf-8", "replace")
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return names.get(number, f"operator {number}")
