"""What may stand in a model file, by name: layers, operations, and the objects in their configs.

Owns the tables of the allow-list. A class that is not here is refused by name. It knows nothing
of files; nothing here is imported or called by a name that a file gives.
"""

from __future__ import annotations

from typing import Final

from engine.modelfile.layer_defaults import layer_defaults


def words(text: str) -> frozenset[str]:
    """The words of a text as a set: tables of names read better so."""
    return frozenset(text.split())


MODELS: Final = frozenset({"Functional", "Model", "Sequential"})
"""Containers. A subclassed model has another class name and no layers in its config."""

_ATTENTION = (
    "attention mixes all positions and channels; Secateur carries such a layer along unchanged"
)
_RECURRENT = (
    "a recurrent layer feeds its output back to itself; Secateur carries it along unchanged"
)
_WRAPPER = "it wraps another layer; Secateur carries both along unchanged"
_OTHER = "its inside is not known to Secateur, which carries it along unchanged"

OPAQUE: Final = {
    "Attention": _ATTENTION,
    "AdditiveAttention": _ATTENTION,
    "MultiHeadAttention": _ATTENTION,
    "GroupedQueryAttention": _ATTENTION,
    "SimpleRNN": _RECURRENT,
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "ConvLSTM1D": _RECURRENT,
    "ConvLSTM2D": _RECURRENT,
    "ConvLSTM3D": _RECURRENT,
    "Bidirectional": _WRAPPER,
    "TimeDistributed": _WRAPPER,
    "SpectralNormalization": _WRAPPER,
    "EinsumDense": _OTHER,
    "ReversibleEmbedding": _OTHER,
    "MelSpectrogram": _OTHER,
}
"""Layers whose inside we do not look into, with the reason for people."""

REFUSED: Final = {
    "Lambda": "it holds Python code",
    "TFSMLayer": "it runs another SavedModel",
    "TorchModuleWrapper": "it holds pickled PyTorch code",
    "JaxLayer": "it holds Python code",
    "FlaxLayer": "it holds Python code",
    "FeatureSpace": "it reads other files",
    "StringLookup": "it reads vocabulary files",
    "IntegerLookup": "it reads vocabulary files",
    "TextVectorization": "it reads vocabulary files",
    "IndexLookup": "it reads vocabulary files",
    "TensorFlowOpLayer": "it holds a raw TensorFlow graph node",
    "__lambda__": "it holds Python code",
    "__typespec__": "it names a Python type to import",
    "CompileMetrics": "it is no layer",
}
"""Classes that are refused with a reason of their own."""

_NUMPY_OPS = """
Abs Absolute Add All Amax Amin Any Append Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh
Argmax Argmin Argsort Average BroadcastTo Ceil Clip Concatenate Copy Cos Cosh Cross Cumprod Cumsum
Diag Diagonal Diff Divide DivideNoNan Dot Einsum Equal Exp ExpandDims Expm1 Flip Floor FloorDivide
FullLike GetItem Greater GreaterEqual Hstack Isclose Isfinite Isinf Isnan Less LessEqual Log Log10
Log1p Log2 Logaddexp LogicalAnd LogicalNot LogicalOr LogicalXor Matmul Max Maximum Mean Median Min
Minimum Mod Moveaxis Multiply NanToNum Negative NotEqual OnesLike Outer Pad Power Prod Quantile
Ravel Reciprocal Repeat Reshape Roll Round Sign Sin Sinh Sort Split Sqrt Square Squeeze Stack Std
Subtract Sum Swapaxes Take TakeAlongAxis Tan Tanh Tensordot Tile Transpose Tril Triu TrueDivide
Trunc Var Vdot Vstack Where ZerosLike
"""
_NN_OPS = """
AdaptiveAveragePool AdaptiveMaxPool AveragePool Celu DepthToSpace Elu Gelu Glu HardShrink
HardSigmoid HardSilu HardTanh LeakyRelu LogSigmoid LogSoftmax MaxPool Moments Normalize OneHot Relu
Relu6 Selu Sigmoid Silu SoftShrink Softmax Softplus Softsign SpaceToDepth SparsePlus Sparsemax
Squareplus TanhShrink Threshold DotProductAttention
"""
_CORE_OPS = "Cast ConvertToTensor SaturateCast Slice StopGradient Unstack"
_IMAGE_OPS = "CropImages ExtractPatches HSVToRGB PadImages RGBToGrayscale RGBToHSV Resize"
_MATH_OPS = "Erf Logsumexp Rsqrt TopK"
_LINALG_OPS = "Norm"

OPERATIONS: Final = {
    name: f"keras.src.ops.{module}"
    for module, names in (
        ("numpy", _NUMPY_OPS),
        ("nn", _NN_OPS),
        ("core", _CORE_OPS),
        ("image", _IMAGE_OPS),
        ("math", _MATH_OPS),
        ("linalg", _LINALG_OPS),
    )
    for name in names.split()
}
"""Operations of ``keras.ops`` that a graph may call, with the module that defines each."""

ACTIVATIONS: Final = words(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu
    linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu softmax softplus softsign
    soft_shrink sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
    """
)

INITIALIZERS: Final = words(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal
    LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform STFT
    TruncatedNormal VarianceScaling Zeros
    """
)

REGULARIZERS: Final = frozenset({"L1", "L2", "L1L2", "OrthogonalRegularizer"})

CONSTRAINTS: Final = frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"})

POLICIES: Final = frozenset(
    {"DTypePolicy", "FloatDTypePolicy", "DTypePolicyMap", "Policy", "PolicyV1", "AutoCastVariable"}
)

VALUES: Final = frozenset(
    {
        "__keras_tensor__",
        "__slice__",
        "__ellipsis__",
        "__tensor__",
        "__numpy__",
        "__tuple__",
        "TensorShape",
        "bytes",
        "__bytes__",
    }
)
"""Markers for plain values."""

COMPILE: Final = words(
    """
    SGD RMSprop Adam AdamW Adadelta Adagrad Adamax Adafactor Nadam Ftrl Lion Lamb Muon
    LossScaleOptimizer LossScaleOptimizerV3 ExponentialDecay PiecewiseConstantDecay PolynomialDecay
    InverseTimeDecay CosineDecay CosineDecayRestarts Loss LossFunctionWrapper BinaryCrossentropy
    BinaryFocalCrossentropy CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalHinge
    CategoricalGeneralizedCrossEntropy Circle CosineSimilarity CTC Dice Hinge Huber KLDivergence
    LogCosh MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError
    MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy SquaredHinge Tversky
    Accuracy AUC BinaryAccuracy BinaryIoU CategoricalAccuracy F1Score FBetaScore FalseNegatives
    FalsePositives IoU Mean MeanIoU MeanMetricWrapper MeanRelativeError OneHotIoU OneHotMeanIoU
    Precision PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError
    SensitivityAtSpecificity SparseCategoricalAccuracy SparseTopKCategoricalAccuracy
    SpecificityAtSensitivity Sum SumOverBatchSizeMetricWrapper TopKCategoricalAccuracy TrueNegatives
    TruePositives
    """
)
"""Optimizers, schedules, losses and metrics of a compile section. They are read as data."""

TRAINING_LAYERS: Final = words(
    """
    AlphaDropout AugMix BatchNormalization Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D Dropout
    GRU GaussianDropout GaussianNoise LSTM SimpleRNN SpatialDropout1D SpatialDropout2D
    SpatialDropout3D SpectralNormalization TimeDistributed Attention AdditiveAttention
    MultiHeadAttention GroupedQueryAttention RandAugment RandomBrightness RandomColorDegeneration
    RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip
    RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization
    RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom
    """
)
"""Layers whose calls take ``training``."""

RENAMED: Final = {
    "AvgPool1D": "AveragePooling1D",
    "AvgPool2D": "AveragePooling2D",
    "AvgPool3D": "AveragePooling3D",
    "MaxPool1D": "MaxPooling1D",
    "MaxPool2D": "MaxPooling2D",
    "MaxPool3D": "MaxPooling3D",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "GroupQueryAttention": "GroupedQueryAttention",
}
"""Other names of layer classes that we know."""

ONLY_OLD: Final = frozenset(
    {
        "TFOpLambda",
        "SlicingOpLambda",
        "ThresholdedReLU",
        "ClassMethod",
        "InstanceProperty",
        "Merge",
        "AtrousConvolution1D",
        "AtrousConvolution2D",
    }
)
"""Classes of Keras 1 and 2 that the translation turns into others."""


OF_APPLICATIONS: Final = words("CustomScaleLayer LayerScale StochasticDepth")
"""Layers that ``keras.applications`` defines for itself; they are turned into standard ones."""


def without_package(class_name: str) -> str:
    """``"Custom>LayerScale"`` as ``"LayerScale"``, for the layers of ``keras.applications`` only.

    Keras 2 wrote them so into ``.h5`` files. A class of the same name and the same options that
    a user copied does the same; any other ``Custom>`` class keeps its prefix and is refused.
    """
    package, _, name = class_name.rpartition(">")
    return name if package == "Custom" and name in OF_APPLICATIONS else class_name


def is_layer(name: str) -> bool:
    """Whether this is a layer class that Secateur opens (its present name, or another)."""
    return (
        name in layer_defaults()
        or name == "InputLayer"
        or name in RENAMED
        or name in ONLY_OLD
        or name in OF_APPLICATIONS
    )
