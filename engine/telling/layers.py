"""What the layer strip shows of each layer: its share of channels left and of zero weights.

Owns which layers have a bar. It knows nothing of how bars are drawn.
"""

from __future__ import annotations

from engine.events import LayerState


def shown_layers(layers: tuple[LayerState, ...]) -> tuple[LayerState, ...]:
    """The layers that have a bar: those with a kernel."""
    return tuple(s for s in layers if s.prunable_weights > 0)


def zero_share(layer: LayerState) -> float | None:
    """Share of a layer's prunable weights that are exactly zero; None: unknown or none."""
    if layer.zeros is None or layer.prunable_weights <= 0:
        return None
    return layer.zeros / layer.prunable_weights


def kept_share(layer: LayerState) -> float | None:
    """Channels left of channels before; None where the layer makes none of its own."""
    if not layer.channels or layer.channels_kept is None:
        return None
    return layer.channels_kept / layer.channels
