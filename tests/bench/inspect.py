"""How long ``secateur inspect`` takes as a command, for five sizes of model.

``python -m tests.bench.inspect [--repeats 7] [--again]``

Each model is written with random weights by a process of its own, then read by the command so many
times, in turn with two processes that only import what the command and its child import. Stated are
medians of wall and processor time (the child's included) and the share that imports take. Finished
cells are appended to ``results/inspect.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import jsonio
from tests.bench.environment import describe

RESULTS = Path(__file__).parent / "results" / "inspect.jsonl"
MODELS = {
    "small CNN": "keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(16, 3),"
    " keras.layers.ReLU(), keras.layers.Flatten(), keras.layers.Dense(10)])",
    "MobileNetV2": "keras.applications.MobileNetV2(weights=None)",
    "ResNet50": "keras.applications.ResNet50(weights=None)",
    "ResNet152": "keras.applications.ResNet152(weights=None)",
    "VGG16": "keras.applications.VGG16(weights=None)",
}
COMMAND_IMPORTS = "import engine.cli, engine.commands, engine.inspection; engine.cli.build_parser()"
CHILD_IMPORTS = "import engine.childmain, engine.modelfile.child"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One process: wall and processor seconds, those of its children included."""

    wall_s: float
    cpu_s: float


def timed(arguments: list[str]) -> Timed:
    """Run a command to its end."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=600)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    return Timed(wall_s=wall, cpu_s=cpu - before.children_user - before.children_system)


def measure(path: Path, repeats: int) -> dict[str, Any]:
    """Medians for one model; the first run of each is not counted."""
    runs: dict[str, list[Timed]] = {"inspect": [], "command": [], "child": []}
    for _ in range(repeats + 1):
        runs["inspect"].append(timed(["-m", "engine.cli", "inspect", str(path), "--json"]))
        runs["command"].append(timed(["-c", COMMAND_IMPORTS]))
        runs["child"].append(timed(["-c", CHILD_IMPORTS]))
    wall = {name: statistics.median(t.wall_s for t in found[1:]) for name, found in runs.items()}
    cpu = {name: statistics.median(t.cpu_s for t in found[1:]) for name, found in runs.items()}
    imports = cpu["command"] + cpu["child"]
    return {
        "wall_s": round(wall["inspect"], 3),
        "wall_min_s": round(min(t.wall_s for t in runs["inspect"][1:]), 3),
        "cpu_s": round(cpu["inspect"], 3),
        "imports_cpu_s": round(imports, 3),
        "imports_share": round(imports / cpu["inspect"], 3),
        "repeats": repeats,
    }


def main() -> None:
    """Measure the models that are not finished."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help=", ".join(MODELS))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--again", action="store_true", help="measure finished models again")
    options = parser.parse_args()
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.is_file() else []
    finished = {json.loads(line)["cell"] for line in lines}
    for name in options.models or MODELS:
        if name in finished and not options.again:
            continue
        with tempfile.TemporaryDirectory(prefix="secateur-bench-") as folder:
            path = Path(folder) / "net.keras"
            write = f"import keras; {MODELS[name]}.save({str(path)!r})"
            subprocess.run([sys.executable, "-c", write], check=True, capture_output=True)
            result = {"cell": name, "bytes": path.stat().st_size, **measure(path, options.repeats)}
        result["load_average"] = round(os.getloadavg()[0], 1)
        print(json.dumps(result), flush=True)
        result["environment"] = jsonio.to_plain(describe())
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
