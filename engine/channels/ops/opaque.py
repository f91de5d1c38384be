"""Ops that Secateur does not look into: they pin what reaches them and what leaves them.

Owns the reasons. Attention and recurrent layers, products of tensors, unknown layers and
whatever a file's own code did are here.
"""

from __future__ import annotations

from engine.channels.ops.base import Arrays, Call, Op, default_atoms, register_op
from engine.channels.tracer import Tracer
from engine.modelfile.graph import Layer


class Opaque(Op):
    """Pins its inputs and its outputs; ``reason`` may hold ``{name}`` and ``{kind}``."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def why(self, layer: Layer) -> str:
        """The sentence for this layer."""
        if layer.opaque is not None:
            return f"layer '{layer.name}' ({layer.class_name}): {layer.opaque}"
        return self.reason.format(name=layer.name, kind=layer.class_name)

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        reason = self.why(call.layer)
        for atoms in ins:
            t.pin(atoms, reason)
        outs = [default_atoms(t, shape) for shape in call.out_shapes]
        for atoms in outs:
            t.pin(atoms, reason)
        t.notes.setdefault(call.name, reason)
        return outs


UNKNOWN = Opaque("layer '{name}' of class {kind} is not known to Secateur")
MOVED = Opaque("'{name}' ({kind}) moves channels in a way that a cut cannot follow")
SEVERAL = Opaque("{kind} '{name}' has weights over several axes")
ATTENTION = Opaque("attention layer '{name}' ({kind}) reads across channels")
RECURRENT = Opaque("recurrent layer '{name}' ({kind}) keeps its own state of these channels")
PRODUCT = Opaque("'{name}' ({kind}) multiplies and sums across channels")
WRAPPED = Opaque("wrapper '{name}' ({kind}) is carried along unchanged")
AUGMENTATION = Opaque("augmentation '{name}' ({kind}) works on images")
SORTING = Opaque("'{name}' ({kind}) compares channels with each other")

register_op(
    ATTENTION, "MultiHeadAttention", "Attention", "AdditiveAttention", "GroupedQueryAttention",
    "ops.DotProductAttention",
)  # fmt: skip
register_op(
    RECURRENT, "LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
    "Bidirectional",
)  # fmt: skip
register_op(PRODUCT, "Dot", "ops.Matmul", "ops.Einsum", "ops.Dot", "ops.Tensordot", "EinsumDense")
register_op(
    WRAPPED,
    "TimeDistributed",
    "SpectralNormalization",
)
register_op(
    SORTING, "ops.Sort", "ops.Argsort", "ops.TopK", "ops.Argmax", "ops.Argmin", "ops.Cumsum",
    "ops.Cumprod", "ops.OneHot", "ops.Logsumexp", "ops.Norm",
)  # fmt: skip
register_op(
    AUGMENTATION, "AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization",
    "Equalization", "RandAugment", "RandomBrightness", "RandomColorDegeneration",
    "RandomColorJitter", "RandomContrast", "RandomCrop", "RandomElasticTransform",
    "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue",
    "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation",
    "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomZoom",
    "Solarization",
)  # fmt: skip
