"""Each family of ``keras.applications`` opens to the same function, from every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras

from engine.modelfile import rebuild
from tests.engine import modelfile_formats as formats
from tests.engine.modelfile_tools import as_list, open_here, relative_difference

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
    # tf_keras's EfficientNetV2 uses TensorFlow's own initialisers
    pytest.mark.filterwarnings("ignore:The `keras.initializers.serialize:UserWarning"),
]

FAMILIES: dict[str, tuple[int, dict[str, Any]]] = {
    "MobileNet": (32, {"alpha": 0.25}),
    "MobileNetV2": (32, {"alpha": 0.35}),
    "MobileNetV3Small": (32, {}),
    "EfficientNetB0": (32, {}),
    "EfficientNetV2B0": (32, {}),
    "DenseNet121": (32, {}),
    "ResNet50": (32, {}),
    "ResNet50V2": (32, {}),
    "VGG16": (32, {"classes": 7, "include_top": False, "pooling": "avg"}),
    "InceptionV3": (75, {}),
    "InceptionResNetV2": (75, {}),
    "Xception": (71, {}),
    "NASNetMobile": (32, {}),
    "ConvNeXtTiny": (32, {}),
}
QUICK = {"MobileNetV2", "MobileNetV3Small"}


def make_alive(model: Any, seed: int = 0) -> Any:
    """Random weights of a size that keeps signals alive through deep nets."""
    rng = np.random.default_rng(seed)
    values = []
    for weight in model.weights:
        shape, name = tuple(weight.shape), weight.name.rpartition("/")[2]
        if "int" in str(weight.dtype):
            values.append(np.full(shape, 3, "int64"))
        elif "gamma" in name or "variance" in name:
            values.append(rng.uniform(0.7, 1.3, shape).astype("float32"))
        elif "kernel" in name:
            fan_in = int(np.prod(shape[:-1])) if "depthwise" not in name else shape[0] * shape[1]
            values.append(rng.normal(0, (2.0 / fan_in) ** 0.5, shape).astype("float32"))
        else:
            values.append(rng.normal(0, 0.1, shape).astype("float32"))
    model.set_weights(values)
    return model


def _cases() -> list[Any]:
    cases = []
    for family in FAMILIES:
        for name in formats.FORMATS:
            quick = family in QUICK and name in ("keras3", "keras2-h5")
            marks = [] if quick else [pytest.mark.slow]
            cases.append(pytest.param(family, name, id=f"{family}-{name}", marks=marks))
    return cases


@pytest.mark.parametrize(("family", "name"), _cases())
def test_that_an_application_opens_with_equal_outputs(
    family: str, name: str, tmp_path: Path
) -> None:
    written_as = formats.FORMATS[name]
    library = keras if written_as.library == "keras" else tf_keras
    size, options = FAMILIES[family]
    options = {"classes": 7, "classifier_activation": None, **options}
    if "include_top" in options:
        options.pop("classifier_activation")
    original = make_alive(
        getattr(library.applications, family)(weights=None, input_shape=(size, size, 3), **options)
    )
    written = written_as.write(original, tmp_path)
    model_file, weights = open_here(written.path, weights=written.weights)
    rebuilt = rebuild.build(model_file.graph, weights)
    x = np.random.default_rng(1).uniform(0, 255, (2, size, size, 3)).astype("float32")
    wanted, got = as_list(original(x, training=False)), as_list(rebuilt(x, training=False))
    assert np.isfinite(wanted[0]).all()
    assert wanted[0].std() > 1e-4
    assert relative_difference(wanted[0], got[0]) <= 1e-4
    assert model_file.graph.params == original.count_params()
    assert None not in model_file.graph.shape(model_file.graph.outputs[0])[1:]  # type: ignore[index]
    keras.backend.clear_session()
    tf_keras.backend.clear_session()
