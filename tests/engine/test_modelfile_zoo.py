"""Every layer class, written by every writer in every format, opens to the same function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
import tf_keras

from engine.modelfile.layer_defaults import layer_defaults
from tests.engine import modelfile_formats as formats
from tests.engine import modelfile_zoo as zoo

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning"),
    # Keras 3.15 converts its variables in a way that numpy 2 has deprecated
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
]
LIBRARIES = {"keras": keras, "tf_keras": tf_keras}
QUICK_FORMATS = ("keras3", "keras2-h5")
QUICK_CASES = ("Conv2D", "BatchNormalization", "MultiHeadAttention")
"""Cases that run in every format in the quick part."""


def _cases() -> list[Any]:
    return [
        pytest.param(
            name,
            case,
            id=f"{case}-{name}",
            marks=[] if name in QUICK_FORMATS or case in QUICK_CASES else [pytest.mark.slow],
        )
        for name in formats.FORMATS
        for case in sorted(formats.cases(name))
        if (case, name) not in formats.NOT_WRITTEN
    ]


@pytest.mark.parametrize(("name", "case"), _cases())
def test_that_a_layer_opens_with_equal_outputs(name: str, case: str, tmp_path: Path) -> None:
    written_as = formats.FORMATS[name]
    original = zoo.alive(formats.cases(name)[case](LIBRARIES[written_as.library]))
    formats.check(original, written_as.write(original, tmp_path))
    keras.backend.clear_session()
    tf_keras.backend.clear_session()


def test_that_the_zoo_holds_every_layer_class_that_opens() -> None:
    classes = {name.partition("_")[0] for name in zoo.CASES | zoo.KERAS3_ONLY}
    assert classes == set(layer_defaults())


def test_that_the_table_in_the_docs_is_what_these_tests_prove() -> None:
    assert formats.TABLE.read_text(encoding="utf-8") == formats.table()
