"""Whether zero weights can make a model faster, by the conditions of the runtime.

Owns the reading of LiteRT's conditions for sparse inference on a layer graph. Nothing is measured
here: on x86 no network was faster with zeros, on ARM those that meet the conditions were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.channels.cost import cost
from engine.modelfile.graph import LayerGraph

LEAST_ZEROS = 2 / 3
"""Share of zeros below which the sparse kernels are not taken."""

_CONVOLUTIONS = frozenset(
    ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "SeparableConv2D")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseSpeed:
    """``possible`` on an ARM CPU; ``macs_1x1`` is the share of MACs in 1x1 convolutions."""

    possible: bool
    macs_1x1: float | None
    sentence: str


def sparse_speed(graph: LayerGraph) -> SparseSpeed:
    """What weight sparsity can do for the speed of a model, as a plain sentence.

    XNNPACK runs sparse inference only where a chain of 1x1 convolutions (with depthwise ones,
    elementwise operations and global pooling between them) begins with a 3x3 convolution of
    stride 2 on 3 channels, and at least two thirds of the 1x1 weights are 0.
    """
    layers = [layer for layer in graph.layers.values() if layer.class_name in _CONVOLUTIONS]
    share = _share_1x1(graph)
    entries = [layer for layer in layers if _is_entry(layer.config, layer.weights[0].shape)]
    rest = [layer for layer in layers if layer not in entries]
    pointwise = bool(rest) and all(_is_1x1(layer.config) for layer in rest)
    percent = "" if share is None else f"{share:.0%} of its multiply-adds are in 1x1 convolutions; "
    if entries and pointwise:
        return SparseSpeed(
            possible=True,
            macs_1x1=share,
            sentence=(
                f"On ARM CPUs zero weights can speed this model up once two thirds of its 1x1 "
                f"kernels are zero ({percent}not measured here); on x86 they do not."
            ),
        )
    missing = (
        "it has convolutions other than 1x1"
        if not pointwise
        else "it does not begin with a 3x3 convolution of stride 2 on 3 channels"
    )
    return SparseSpeed(
        possible=False,
        macs_1x1=share,
        sentence=(
            f"Zero weights cannot speed this model up, they only make the packed file smaller: "
            f"{percent}{missing}, and runtimes have no sparse kernels for that. Removed channels "
            f"do make it faster."
        ),
    )


def fast_when_sparse(graph: LayerGraph) -> tuple[str, ...]:
    """Layers whose zeros the sparse kernels use: those that ``PruneForLatencyOnXNNPack`` prunes."""
    return tuple(
        name
        for name, layer in graph.layers.items()
        if layer.class_name == "Conv2D" and _is_1x1(layer.config)
    )


def _share_1x1(graph: LayerGraph) -> float | None:
    costs = cost(graph)
    if not costs.macs:
        return None
    found = [
        costs.layers[name].macs or 0
        for name, layer in graph.layers.items()
        if layer.class_name == "Conv2D" and _is_1x1(layer.config)
    ]
    return sum(found) / costs.macs


def _is_1x1(config: Mapping[str, Any]) -> bool:
    return all(size == 1 for size in config.get("kernel_size", ())) and all(
        stride == 1 for stride in config.get("strides", ())
    )


def _is_entry(config: Mapping[str, Any], kernel: tuple[int, ...]) -> bool:
    return (
        list(config.get("kernel_size", ())) == [3, 3]
        and list(config.get("strides", ())) == [2, 2]
        and kernel[-2:-1] == (3,)
    )
