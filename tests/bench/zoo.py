"""Every model of ``keras.applications``, cut to half and held to its reference.

Run it with ``python -m tests.bench.zoo`` (all, resumable: what ``results/zoo.jsonl`` already has
is skipped) or with names of models; ``--through-norms`` follows layer norms too. Each model runs in
a process of its own; one more asks whether ``prune_low_magnitude`` wraps the tf_keras twin whole.
Untrained, at the smallest input that Keras allows, made alive by random weights and settled
statistics; outputs are compared before the last activation.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.jsonio import to_plain
from tests.bench.environment import describe

RESULTS = Path(__file__).parent / "results"
SIZES = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
NAMES = (
    "MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0",
    "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetB5",
    "EfficientNetB6", "EfficientNetB7", "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2",
    "EfficientNetV2B3", "EfficientNetV2S", "EfficientNetV2M", "EfficientNetV2L", "DenseNet121",
    "DenseNet169", "DenseNet201", "ResNet50", "ResNet101", "ResNet152", "ResNet50V2",
    "ResNet101V2", "ResNet152V2", "Xception", "InceptionV3", "InceptionResNetV2", "NASNetMobile",
    "NASNetLarge", "VGG16", "VGG19", "ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase",
    "ConvNeXtLarge", "ConvNeXtXLarge",
)  # fmt: skip
KEEP = 0.5
BATCH = 8
SETTLE_BATCH = 48


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="models; all of them by default")
    parser.add_argument("--through-norms", action="store_true")
    parser.add_argument("--here", action="store_true", help="in this process, print one row")
    parser.add_argument("--tfmot", action="store_true", help="with --here: only what TF-MOT does")
    parser.add_argument("--timeout", type=int, default=3600, help="seconds for one model")
    options = parser.parse_args()
    if options.here:
        measure = wrapped if options.tfmot else cut_one
        print(json.dumps(measure(options.names[0], options.through_norms)), file=sys.stdout)
        return
    path = RESULTS / "zoo.jsonl"
    done = {(r["model"], r["through_norms"]) for r in rows(path) if "error" not in r}
    machine = to_plain(describe())
    for name in options.names or NAMES:
        if (name, options.through_norms) in done:
            continue
        row = _in_child(name, options)
        twin = _in_child(name, options, "--tfmot")
        row |= {"prune_low_magnitude": twin, "environment": machine}
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        shown = {k: v for k, v in row.items() if k not in ("pinned", "environment")}
        print(json.dumps(shown), flush=True)


def rows(path: Path) -> list[dict[str, Any]]:
    """The results so far; a torn last line is left out."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def _in_child(name: str, options: argparse.Namespace, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.zoo", "--here", name, *more]
    command += ["--through-norms"] * options.through_norms
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=options.timeout, check=False
        )
    except subprocess.TimeoutExpired:
        why = f"not done in {options.timeout} s"
        return {"model": name, "through_norms": options.through_norms, "error": why}
    if done.returncode == 0:
        row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return row
    why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return {"model": name, "through_norms": options.through_norms, "error": why[:400]}


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What it gives, with seconds of wall and of this process's CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    return answer, {
        "wall_s": round(time.perf_counter() - wall, 4),
        "cpu_s": round(time.process_time() - cpu, 4),
    }


def cut_one(
    name: str, through_norms: bool = False, model: Any = None, *, clone: bool = True
) -> dict[str, Any]:
    """One row: build, make alive, trace, cut, rebuild, compare; and clone for comparison."""
    import keras

    from engine.channels.cost import cost
    from engine.channels.oracle import linear_outputs, reference, rel_diff, shifted
    from engine.channels.plan import plan_uniform
    from engine.channels.surgery import cut
    from engine.channels.trace import trace
    from engine.criteria import score
    from engine.modelfile.rebuild import build
    from tests.engine import zoo
    from tests.engine.opened import from_model

    size = SIZES.get(name, 32)
    if model is None:
        model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    zoo.live(model, seed=1, batch=SETTLE_BATCH)
    inputs = zoo.random_inputs(model, seed=2, batch=BATCH)
    _, clone_time = timed(partial(_cloned, model)) if clone else (None, None)
    graph, weights = from_model(model)
    graph = linear_outputs(graph)
    count = model.count_params()
    if hasattr(model.layers[-1], "activation"):
        model.layers[-1].activation = keras.activations.linear
    original = np.asarray(model(inputs, training=False))
    del model

    def run(g: Any, w: Any) -> np.ndarray:
        keras.utils.clear_session()
        return np.asarray(build(g, w)(inputs, training=False))

    whole, own_hash = run(graph, weights), weights_hash(weights)
    channels, trace_time = timed(lambda: trace(graph, through_norms=through_norms))
    plan = plan_uniform(channels, score("random", graph, weights, channels, seed=3), KEEP)
    made, cut_time = timed(lambda: cut(graph, weights, channels, plan))
    cut_model, build_time = timed(lambda: build(made.graph, made.weights))
    ours = np.asarray(cut_model(inputs, training=False))
    counted, reopened = cut_model.count_params(), cost(from_model(cut_model)[0])
    del cut_model
    wide, arrays = reference(graph, weights, channels, plan)
    wanted = run(wide, arrays)
    del wide, arrays
    other = shifted(plan, channels)
    apart = None
    if other is not None:
        wrong = cut(graph, weights, channels, other)
        apart = rel_diff(run(wrong.graph, wrong.weights), wanted)[1]
    before, after = cost(graph), cost(made.graph)
    absolute, relative = rel_diff(ours, wanted)
    return {
        "model": name,
        "through_norms": through_norms,
        "input": size,
        "layers": len(graph.layers),
        "rebuilt_rel_diff": rel_diff(whole, original)[1],
        "max_abs_diff": absolute,
        "rel_diff": relative,
        "shifted_rel_diff": apart,
        "uncut_rel_diff": rel_diff(whole, wanted)[1],
        "two_inputs_differ": rel_diff(whole[:1], whole[1:2])[1],
        "weights_untouched": weights_hash(weights) == own_hash,
        "params_before": before.params,
        "params_after": after.params,
        "macs_before": before.macs,
        "macs_after": after.macs,
        "params_as_keras_counts": count == before.params and counted == after.params,
        "macs_as_reopened": reopened.macs == after.macs and reopened.params == after.params,
        **shares(graph, channels),
        "groups": len(channels.groups),
        "groups_prunable": sum(g.prunable for g in channels.groups),
        "pinned": {g.id: [g.reason, *g.producers] for g in channels.groups if g.pinned},
        "trace": trace_time,
        "cut": cut_time,
        "rebuild": build_time,
        "clone_and_copy": clone_time,
        "border_effects": len(made.border_effects),
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def weights_hash(weights: Any) -> str:
    """SHA-256 of all arrays with their names."""
    found = hashlib.sha256()
    for layer in sorted(weights):
        for name in sorted(weights[layer]):
            found.update(f"{layer}/{name}".encode())
            found.update(np.ascontiguousarray(weights[layer][name]).data)
    return found.hexdigest()


def _cloned(model: Any) -> Any:
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def shares(graph: Any, channels: Any) -> dict[str, float | None]:
    """Share of kernel elements that some cut can remove, by what the kernels are.

    ``share_goal`` counts convolutions and pointwise dense layers (on images), which are also told
    apart, ``share_kernels`` the dense layers on rows as well. ``share_made`` asks of those of the
    goal for the layer's own channels only. None where there is no such kernel.
    """
    parts = ("conv", "pointwise_dense", "rows")
    total, removable = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 0.0)
    made = 0.0
    rank = {n.layer: len(graph.shape(n.inputs[0]) or ()) for n in graph.nodes if n.inputs}
    for name, layer in graph.layers.items():
        for spec in layer.weights:
            if not spec.name.endswith("kernel"):
                continue
            dense = layer.class_name == "Dense"
            kind = "conv" if not dense else "rows" if rank[name] <= 2 else "pointwise_dense"
            kept = np.ones([1] * len(spec.shape))
            own = 0.0
            for axis, _ in enumerate(spec.shape):
                units = channels.weight_units(name, spec.name, axis)
                if units is None:
                    continue
                free = (units >= 0) & channels.removable[units]
                shape = [1] * len(spec.shape)
                shape[axis] = -1
                kept = kept * (1.0 - free.reshape(shape))
                if channels.weight_role(name, spec.name, axis) != "in":
                    own = max(own, float(free.mean()))
            total[kind] += spec.size
            removable[kind] += spec.size * float(1.0 - kept.mean())
            made += own * spec.size * (kind != "rows")

    def share(*kinds: str) -> float | None:
        count = sum(total[k] for k in kinds)
        return sum(removable[k] for k in kinds) / count if count else None

    goal = total["conv"] + total["pointwise_dense"]
    return {
        "share_goal": share("conv", "pointwise_dense"),
        "share_conv": share("conv"),
        "share_pointwise_dense": share("pointwise_dense"),
        "share_kernels": share(*parts),
        "share_made": made / goal if goal else None,
    }


def wrapped(name: str, through_norms: bool = False) -> dict[str, Any]:
    """Whether TF-MOT's ``prune_low_magnitude`` takes the tf_keras twin whole."""
    import os

    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow_model_optimization as tfmot
    import tf_keras

    size = SIZES.get(name, 32)
    model = getattr(tf_keras.applications, name)(weights=None, input_shape=(size, size, 3))
    del through_norms
    try:
        tfmot.sparsity.keras.prune_low_magnitude(model)
    except ValueError as error:
        why = " ".join(str(error).split())[:200]
        return {"wraps": False, "why": why}
    return {"wraps": True, "why": None}


if __name__ == "__main__":
    main()
