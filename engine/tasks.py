"""The commands that need Keras, as functions of JSON, called in a process of their own.

Owns the answers of ``slim``, ``evaluate`` and ``export``; see :mod:`engine.api` for the callers.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from engine import jsonio
from engine.channels.cost import cost
from engine.channels.floors import shares_by_group, with_floors
from engine.channels.groups import Channels
from engine.channels.oracle import REL_DIFF_LIMIT, linear_outputs, reference, rel_diff
from engine.channels.plan import Plan, plan_global, plan_uniform
from engine.channels.surgery import Cut, cut
from engine.channels.trace import trace
from engine.criteria import score
from engine.data import counts_by_part, looks_seen, seen_sentence, write_preview
from engine.data.hashing import file_sha256
from engine.errors import EngineFailure, UserError
from engine.export.place import beside, move_in
from engine.job import DataSpec, Goal, Job
from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.reader import open_model
from engine.modelfile.rebuild import build
from engine.search.context import Opened, open_data, open_files
from engine.search.measure import values
from engine.sparsity.by_layer import levels_by_layer
from engine.sparsity.levels import prunable_weights, zeroed
from engine.training.evaluate import predict_outputs

CHECK_SAMPLES = 8


def slim(payload: dict[str, Any]) -> dict[str, Any]:
    """Cut every removable group once; see :func:`engine.api.slim`."""
    source = Path(payload["model"])
    sha256 = file_sha256(source) if source.is_file() else None
    file, weights = open_model(
        source, weights=_path(payload["weights"]), custom=_path(payload["custom"])
    )
    own = weights_sha256(weights)
    channels = trace(file.graph, through_norms=payload["through_norms"], exclude=payload["exclude"])
    channels = with_floors(channels, payload["floors"])
    plan = choose(payload, file.graph, weights, channels)
    made = cut(file.graph, weights, channels, plan)
    plan, thinned = thin(plan, made, payload["sparsity"])
    expected = reference(file.graph, weights, channels, plan)
    diff, rel = compare(expected, (made.graph, made.weights), seed=int(payload["seed"]))
    if rel > REL_DIFF_LIMIT:
        raise EngineFailure(
            "slim.promise",
            f"The cut model differs from its reference by {rel:.1e} of the output's deviation,"
            f" more than {REL_DIFF_LIMIT:.0e}: {source}.",
            "Nothing was written. Please report this model.",
        )
    if weights_sha256(weights) != own or (sha256 is not None and file_sha256(source) != sha256):
        raise EngineFailure(
            "slim.touched",
            f"The model that was given changed while it was cut: {source}.",
            "Nothing was written. Close what else writes to it.",
        )
    out = Path(payload["out"])
    with beside(out) as folder:
        partial = folder / "model.keras"
        build(made.graph, thinned).save(partial, include_optimizer=False)
        move_in(partial, out, force=True)
    if payload["save_plan"]:
        jsonio.write_json(Path(payload["save_plan"]), plan)
    before, after = cost(file.graph), cost(made.graph)
    zeros = {
        key[0]: int(thinned[key[0]][key[1]].size - np.count_nonzero(thinned[key[0]][key[1]]))
        for key in prunable_weights(made.graph)
    }
    return {
        "schema": 1,
        "path": str(out),
        "params_before": before.params,
        "params_after": after.params,
        "macs_before": before.macs,
        "macs_after": after.macs,
        "max_abs_diff": diff,
        "rel_diff": rel,
        "nonzero_after": after.params - sum(zeros.values()),
        "groups_cut": len(plan.keep),
        "pinned": sum(not g.prunable for g in channels.groups),
        "border_effects": list(made.border_effects),
        "layers": [
            {
                "name": name,
                "params_before": old.params,
                "params_after": after.layers[name].params,
                "macs_before": old.macs,
                "macs_after": after.layers[name].macs,
                "zeros_after": zeros.get(name),
            }
            for name, old in before.layers.items()
        ],
        "model_sha256": sha256,
    }


def choose(
    payload: dict[str, Any], graph: LayerGraph, weights: Weights, channels: Channels
) -> Plan:
    """The plan that was given as a file, or one by criterion and rule.

    Raises
    ------
    UserError
        Where the share is none, the file holds no plan, or the criterion can judge nothing.
    """
    if payload["plan"] is not None:
        return read_plan(Path(payload["plan"]))
    keep: dict[str, float] = payload["keep"]
    for share in keep.values():
        if not 0.0 < share <= 1.0:
            raise UserError("keep.range", f"The share to keep is above 0 and at most 1: {share}.")
    scores = score(payload["criterion"], graph, weights, channels, seed=int(payload["seed"]))
    round_to = int(payload["round_to"])
    if not payload["across"]:
        return plan_uniform(channels, scores, shares_by_group(channels, keep), round_to)
    if list(keep) != ["*"]:
        raise UserError(
            "keep.global",
            f"One threshold over all groups takes one share, without a name: {', '.join(keep)}.",
            "Leave --global out, or give one --keep.",
        )
    return plan_global(channels, scores, keep["*"], round_to=round_to)


def thin(plan: Plan, made: Cut, wanted: dict[str, float]) -> tuple[Plan, Weights]:
    """The plan with the sparsity of its layers, and the cut model's arrays with these zeros.

    Parameters
    ----------
    wanted
        Shares by layer or pattern, which count before what the plan says.
    """
    shares = plan.sparsity | wanted
    for share in shares.values():
        if not 0.0 <= share < 1.0:
            raise UserError("sparsity.range", f"Sparsity is 0 or more and below 1: {share}.")
    levels = levels_by_layer(prunable_weights(made.graph), shares)
    told = {layer: share for (layer, _), share in levels.items()}
    return replace(plan, sparsity=told), zeroed(made.weights, levels)


def read_plan(path: Path) -> Plan:
    """A plan from its JSON file; whether it fits the model is checked when it is applied.

    Raises
    ------
    UserError
        Where there is no such file, or it holds no plan.
    """
    try:
        return jsonio.from_plain(jsonio.loads(path.read_bytes()), Plan)
    except FileNotFoundError:
        raise UserError(
            "plan.not_found", f"There is no plan at this path: {path}.", "Check the path."
        ) from None
    except ValueError as error:
        why = str(error).splitlines()[0]
        raise UserError(
            "plan.unreadable",
            f"This file holds no plan ({why}): {path}.",
            "Give a file that 'secateur slim --save-plan' wrote.",
        ) from error


def weights_sha256(weights: Weights) -> str:
    """One hash of all arrays with their names."""
    found = hashlib.sha256()
    for layer, arrays in sorted(weights.items()):
        for name, array in sorted(arrays.items()):
            found.update(f"{layer}/{name}:{array.dtype}{array.shape}".encode())
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def compare(
    one: tuple[LayerGraph, Weights], other: tuple[LayerGraph, Weights], *, seed: int
) -> tuple[float, float]:
    """Largest difference of two models on random input, before the last activation.

    Returns
    -------
    tuple
        Absolute, and over the standard deviation of the first one's output; the largest over all
        outputs.
    """
    rng = np.random.default_rng(seed)
    built = [build(linear_outputs(graph), weights) for graph, weights in (one, other)]
    models = [keras.Model(model.inputs, model.outputs) for model in built]
    inputs = [
        rng.uniform(0.0, 1.0, (CHECK_SAMPLES, *(s or 32 for s in tensor.shape[1:]))).astype(
            "float32"
        )
        for tensor in models[0].inputs
    ]
    found = [keras.tree.flatten(model(inputs, training=False)) for model in models]
    pairs = [rel_diff(np.asarray(b), np.asarray(a)) for a, b in zip(*found, strict=True)]
    return max(diff for diff, _ in pairs), max(rel for _, rel in pairs)


SEEN_SAMPLES = 4000


def seen_note(opened: Opened, rows: np.ndarray) -> tuple[str, ...]:
    """A sentence where "unseen" images are recognised as well as those of the train part."""
    if opened.data.seen != "no":
        return ()
    name, train = opened.measure.name, opened.data.train.sample(SEEN_SAMPLES)
    outputs = predict_outputs(opened.model, train.images, preprocess=opened.transform)
    trained = opened.measure.rows(outputs, train.labels)
    if not looks_seen(name, trained, rows):
        return ()
    return (seen_sentence(name, opened.measure.value(trained), opened.measure.value(rows)),)


def evaluate(payload: dict[str, Any]) -> dict[str, Any]:
    """The metric on a split; see :func:`engine.api.evaluate`."""
    job = Job(
        model=payload["model"], weights=payload["weights"], custom=payload["custom"],
        data=DataSpec(
            source=payload["data"], test=payload["test"], preprocess=payload["preprocess"],
            seen=payload["seen"], group_by=payload["group_by"],
            ignore_label=payload["ignore_label"], label_order=payload["label_order"],
        ),
        goal=Goal(metric=payload["metric"]),
    )  # fmt: skip
    file, weights = open_files(job)
    opened = open_data(job, file, weights)
    if payload["preview"] is not None:
        place = Path(payload["preview"])
        write_preview(opened.data, opened.preprocess, opened.near_ties, place)
    parts = {
        "search": [opened.data.search],
        "report": [opened.data.report],
        "all": [opened.data.search, opened.data.report],
    }[payload["split"]]
    seconds, counted = 0.0, []
    for part in parts:
        began = time.perf_counter()
        outputs = predict_outputs(opened.model, part.images, preprocess=opened.transform)
        seconds += time.perf_counter() - began
        counted.append(opened.measure.every(outputs, part.labels))
    every = {name: np.concatenate([rows[name] for rows in counted]) for name in counted[0]}
    rows = every[opened.measure.name]
    return {
        "schema": 1,
        "metric": opened.measure.name,
        "value": opened.measure.value(rows),
        "interval": list(opened.measure.interval(rows)),
        "metrics": values(every),
        "samples": len(rows),
        "seconds": seconds,
        "split": payload["split"],
        "task": opened.task.kind,
        "preprocess": opened.preprocess.name,
        "preprocess_values": opened.preprocess_values,
        "seen": opened.data.seen,
        "classes": list(opened.data.class_names),
        "parts": {
            "train": len(opened.data.train),
            "search": len(opened.data.search),
            "report": len(opened.data.report),
        },
        "counts": [list(row) for row in counts_by_part(opened.data)],
        "near_ties": list(opened.near_ties),
        "label_order": None if opened.label_order is None else list(opened.label_order),
        "notes": [*opened.notes, *seen_note(opened, rows)],
    }


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
