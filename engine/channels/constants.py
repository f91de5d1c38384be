"""What a cut channel was: constants carried forward through the graph in numpy.

Owns the walk. A channel's constant begins at its producer (its bias, or beta behind a batch
norm) and is carried through every op until kernels read it; what has no formula is unknown, and
then the reader sees 0. Without Keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.channels.groups import Channels
from engine.channels.ops import Call, Notes, op_of
from engine.channels.trace import call_of
from engine.modelfile.graph import Weights


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folds:
    """What the constants of cut channels add to each reader's own channels, by layer.

    ``notes`` name where that is not exact (borders).
    """

    added: Mapping[str, np.ndarray]
    notes: tuple[str, ...]


def folds(channels: Channels, weights: Weights, keep: np.ndarray) -> Folds:
    """Carry the constants of the units not in ``keep`` (a mask over global units) to readers."""
    graph, notes = channels.graph, Notes()
    state: dict[int, np.ndarray] = {}
    sums: dict[str, list[np.ndarray]] = {}
    for node in graph.nodes:
        call = call_of(graph, node)
        cut = [_cut(channels, i, keep) for i in node.outputs]
        fed = any(i in state for i in node.inputs)
        if call is None or not (fed or any(c is not None for c in cut)):
            continue
        ins = [state.get(i, _unknown(len(graph.shape(i) or (0,)))) for i in node.inputs]
        arrays = weights.get(node.layer, {})
        op = op_of(call.layer)
        if op.reads and node.inputs:
            added = op.fold(call, ins[0], arrays, notes) if node.inputs[0] in state else None
            sums.setdefault(node.layer, []).append(np.zeros(1) if added is None else added)
        if any(c is not None for c in cut):
            with np.errstate(all="ignore"):
                outs = op.constants(call, ins, arrays, notes)
            _store(state, call, outs, cut)
    return Folds(added=_agreed(sums, notes), notes=tuple(notes.sentences))


def _cut(channels: Channels, tensor: int, keep: np.ndarray) -> np.ndarray | None:
    """Mask over a tensor's positions that are cut; None where none is."""
    units = channels.tensor_units[tensor]
    if units is None:
        return None
    mask = (units >= 0) & ~keep[units]
    return mask if mask.any() else None


def _unknown(rank_with_batch: int) -> np.ndarray:
    return np.full((1,) * (rank_with_batch - 1), np.nan)


def _store(
    state: dict[int, np.ndarray],
    call: Call,
    outs: list[np.ndarray],
    cut: list[np.ndarray | None],
) -> None:
    for tensor, values, mask in zip(call.node.outputs, outs, cut, strict=True):
        if mask is None:
            continue
        kept_out = np.where(mask & np.isfinite(values), values, np.nan)
        if np.isfinite(kept_out).any():
            state[tensor] = kept_out


def _agreed(sums: Mapping[str, list[np.ndarray]], notes: Notes) -> dict[str, np.ndarray]:
    """One addition per layer: a shared layer's calls must agree, else nothing is folded."""
    out = {}
    for name, parts in sums.items():
        if not any(p.any() for p in parts):
            continue
        width = max(p.size for p in parts)
        first = np.broadcast_to(parts[0], (width,))
        if all(np.allclose(first, p, rtol=1e-6, atol=1e-9) for p in parts[1:]):
            out[name] = np.array(first)
        else:
            notes.add(
                f"layer '{name}' is called more than once with different constants: "
                "its readers see 0 instead"
            )
    return out
