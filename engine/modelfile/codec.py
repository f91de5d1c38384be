"""The layer graph as JSON and back, and its digest.

Owns the plain form of a graph, as it travels in pipes and lies in run folders. It knows nothing
of files and of Keras.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from engine import jsonio
from engine.modelfile.graph import LayerGraph


def graph_to_plain(graph: LayerGraph) -> dict[str, Any]:
    """The graph as dicts, lists, numbers, strings and None; the order of layers is kept."""
    plain: dict[str, Any] = jsonio.to_plain(graph)
    return plain


def graph_from_plain(plain: object) -> LayerGraph:
    """The inverse of :func:`graph_to_plain`.

    Raises
    ------
    ValueError
        Where the data are no graph; the message names the place.
    """
    try:
        return jsonio.from_plain(plain, LayerGraph)
    except msgspec.ValidationError as error:
        raise ValueError(f"not a layer graph: {error}") from error


def digest(graph: LayerGraph) -> str:
    """SHA-256 of the graph's canonical JSON (sorted keys), counts of zeros left out.

    Two graphs have one digest when layers, configs, calls and shapes agree; the arrays do not
    count.
    """
    plain = graph_to_plain(graph)
    for layer in plain["layers"].values():
        for spec in layer["weights"]:
            spec.pop("zeros", None)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
