"""Every layer class, written by every writer, opens to the same function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras

from engine.modelfile import rebuild
from tests.engine import modelfile_zoo as zoo
from tests.engine.modelfile_tools import as_list, open_here, relative_difference

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning"),
    # Keras 3.15 converts its variables in a way that numpy 2 has deprecated
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
]


def _check(original: Any, path: Path, tolerance: float = 1e-5) -> None:
    model_file, weights = open_here(path)
    rebuilt = rebuild.build(model_file.graph, weights)
    x = zoo.inputs_of(original)
    given = x[0] if len(x) == 1 else x
    wanted, got = as_list(original(given, training=False)), as_list(rebuilt(given, training=False))
    assert len(wanted) == len(got)
    for want, have, tensor in zip(wanted, got, model_file.graph.outputs, strict=True):
        assert np.std(want) > 1e-6, "a dead net proves nothing"
        assert relative_difference(want, have) <= tolerance
        shape = model_file.graph.shape(tensor)
        if shape is not None:
            assert len(shape) == want.ndim
            assert all(a in (None, b) for a, b in zip(shape, want.shape, strict=True))
    assert model_file.graph.params == original.count_params() == rebuilt.count_params()


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", sorted(zoo.CASES | zoo.KERAS3_ONLY))
def test_that_a_keras_3_layer_opens_with_equal_outputs(
    name: str, suffix: str, tmp_path: Path
) -> None:
    original = zoo.alive((zoo.CASES | zoo.KERAS3_ONLY)[name](keras))
    original.save(tmp_path / f"net.{suffix}")
    _check(original, tmp_path / f"net.{suffix}")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", sorted(zoo.CASES))
def test_that_a_keras_2_layer_opens_with_equal_outputs(
    name: str, suffix: str, tmp_path: Path
) -> None:
    original = zoo.alive(zoo.CASES[name](tf_keras))
    original.save(tmp_path / f"net.{suffix}")
    _check(original, tmp_path / f"net.{suffix}")
