"""A graph and its arrays as a folder of plain files: how a candidate travels to a helper process.

Owns the two files in it: ``graph.json`` and ``weights.npz`` (uncompressed, nothing pickled). It
knows nothing of Keras.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine import jsonio
from engine.modelfile.codec import graph_from_plain, graph_to_plain
from engine.modelfile.graph import LayerGraph, Weights

GRAPH, WEIGHTS = "graph.json", "weights.npz"


def write_parts(folder: Path, graph: LayerGraph, weights: Weights) -> None:
    """Write a graph and its arrays into an existing folder."""
    (folder / GRAPH).write_bytes(jsonio.dumps(graph_to_plain(graph)))
    arrays = {}
    names: list[tuple[str, str]] = []
    for layer, by_name in weights.items():
        for weight, array in by_name.items():
            arrays[f"a{len(names)}"] = array
            names.append((layer, weight))
    (folder / "names.json").write_bytes(jsonio.dumps(names))
    np.savez(folder / WEIGHTS, **arrays)  # type: ignore[arg-type]  # numpy's stub: its own flag


def read_parts(folder: Path) -> tuple[LayerGraph, Weights]:
    """The inverse of :func:`write_parts`."""
    graph = graph_from_plain(jsonio.loads((folder / GRAPH).read_bytes()))
    names = jsonio.loads((folder / "names.json").read_bytes())
    weights: Weights = {}
    with np.load(folder / WEIGHTS, allow_pickle=False) as file:
        for index, (layer, weight) in enumerate(names):
            weights.setdefault(layer, {})[weight] = file[f"a{index}"]
    return graph, weights
