"""Every op kind that Secateur knows, one registry. Importing this package fills it."""

from engine.channels.ops import elementwise, kernels, norms, opaque, shaping, spatial
from engine.channels.ops.base import Call, Edit, Notes, Op, Resized, key_of, registered
from engine.modelfile.graph import Layer

__all__ = ["Call", "Edit", "Notes", "Op", "Resized", "op_of", "registered"]

_ROOMS = (elementwise, kernels, norms, opaque, shaping, spatial)


def op_of(layer: Layer) -> Op:
    """The op of a layer; one that is not known, or that the reader marked, is opaque."""
    if layer.opaque is not None:
        return opaque.UNKNOWN
    return registered().get(key_of(layer), opaque.UNKNOWN)
