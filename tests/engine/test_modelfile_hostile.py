"""No file can run code, leave its place, or take more time and memory than it may."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import h5py
import pytest

from engine.errors import UserError
from engine.modelfile import allowlist, child, open_model, read_model
from tests.bench import fuzz_open
from tests.engine import modelfile_hostile as hostile
from tests.engine import modelfile_hostile_folders as folders
from tests.engine import modelfile_writers as writers
from tests.engine.modelfile_tools import open_here, refusal


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marker") / "marker"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, marker: Path) -> dict[str, Path]:
    return dict(hostile.corpus(tmp_path_factory.mktemp("hostile"), marker))


def test_that_the_harmless_twin_of_the_corpus_opens(tmp_path: Path) -> None:
    config = hostile.model(hostile.CONV)
    for path in (
        hostile.write_keras(tmp_path / "good.keras", config),
        hostile.write_h5(tmp_path / "good.h5", config),
    ):
        graph = open_here(path)[0].graph
        assert list(graph.layers) == ["inputlayer", "conv"]
        assert graph.layers["conv"].weights[0].shape == (1, 1, 3, 2)


def _check(name: str, path: Path, weights: Path | None = None) -> None:
    start = time.process_time()
    error = refusal(path, weights=weights)
    assert isinstance(error, UserError), name
    assert error.code.startswith("model."), name
    assert error.message.endswith("."), (name, error.message)
    assert error.hint.endswith("."), name
    assert "\n" not in str(error), name
    assert len(str(error)) < 600, name
    assert time.process_time() - start < 10, name


def test_that_every_hostile_file_is_refused_in_one_sentence(
    corpus: dict[str, Path], marker: Path
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, path in corpus.items():
        _check(name, path)
    assert len(corpus) > 100
    assert not marker.exists()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 1 << 20


def test_that_hostile_folders_and_weights_are_refused_in_one_sentence(
    tmp_path: Path, marker: Path
) -> None:
    made = [*folders.configs(tmp_path, marker), *folders.checkpoints(tmp_path),
            *folders.links(tmp_path)]  # fmt: skip
    for name, path in made:
        _check(name, path)
    pairs = list(folders.jsons(tmp_path, marker))
    for name, path, weights in pairs:
        _check(name, path, weights)
    assert len(made) > 50
    assert len(pairs) > 50
    assert not marker.exists()
    twin = writers.write_savedmodel(tmp_path / "twin", hostile.model(hostile.CONV), folders.KERNEL)
    assert open_here(twin)[1]["conv"]["kernel"].shape == (1, 1, 3, 2)


def test_that_a_damaged_tflite_file_is_shown_or_refused(tmp_path: Path) -> None:
    codes = []
    for name, path in folders.tflites(tmp_path):
        start = time.process_time()
        codes.append(fuzz_open.answer(path, lambda p: child.read_tflite({"path": str(p)})))
        assert time.process_time() - start < 10, name
    assert set(codes) == {"opened", "model.damaged"}
    assert codes.count("model.damaged") > 5


@pytest.mark.parametrize("advisory", sorted(hostile.ADVISORIES))
def test_that_each_advisory_has_a_file_that_is_refused(
    advisory: str, corpus: dict[str, Path], marker: Path
) -> None:
    for name in hostile.ADVISORIES[advisory]:
        assert refusal(corpus[name]).code.startswith("model.un"), name
    assert not marker.exists()


@pytest.mark.slow
def test_that_the_whole_corpus_is_refused_within_the_child_s_limits(
    corpus: dict[str, Path], marker: Path
) -> None:
    def peak_kib() -> int:
        """Of the largest child that ever ended: other tests of this process have had some too."""
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss

    before_kib = peak_kib()
    for name, path in corpus.items():
        start = time.monotonic()
        with pytest.raises(UserError):
            read_model(path)
        assert time.monotonic() - start < 10, name
    assert peak_kib() < max(2 << 20, before_kib + 1)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lambda (.keras)", "Lambda"),
        ("lambda in a wrapper (.h5)", "Lambda"),
        ("TFSMLayer (.keras)", "TFSMLayer"),
        ("TorchModuleWrapper (.keras)", "TorchModuleWrapper"),
        ("unknown (.keras)", "MyLayer"),
        ("module path (.keras)", "evil.Conv2D"),
        ("registered (.keras)", "evil>Conv2D"),
        ("keras gadget (.keras)", "get_file"),
        ("function as activation (.keras)", "os.system"),
        ("tf function (.h5)", "tf.io.write_file"),
        ("loss os.system (.keras)", "os.system"),
        ("external link (.h5)", "external link"),
        ("virtual dataset (.keras)", "another file"),
        ("shape bomb (.keras)", "claims"),
        ("array of no layer (.h5)", "no layer uses"),
        ("traversal ../../evil", "points out"),
        ("encrypted", "encrypted"),
    ],
)
def test_that_a_refusal_names_what_is_wrong(name: str, words: str, corpus: dict[str, Path]) -> None:
    assert words in str(refusal(corpus[name]))


def test_that_hostile_files_are_refused_in_a_child_too(
    corpus: dict[str, Path], marker: Path
) -> None:
    for name in ("lambda (.h5)", "shape bomb (.keras)", "laughs (.keras)"):
        with pytest.raises(UserError):
            open_model(corpus[name])
    assert not marker.exists()


def test_that_a_custom_loss_costs_only_the_compile_section(tmp_path: Path) -> None:
    loss = {"module": "builtins", "class_name": "function", "config": "dice_loss",
            "registered_name": "function"}  # fmt: skip
    config = {**hostile.model(hostile.CONV), "compile_config": {"optimizer": "adam", "loss": loss}}
    model_file = open_here(hostile.write_keras(tmp_path / "net.keras", config))[0]
    assert model_file.compile_config is None
    assert "dice_loss" in model_file.warnings[0]


def test_that_a_standard_compile_section_is_read_as_data(tmp_path: Path) -> None:
    def add(file: h5py.File) -> None:
        file.attrs["training_config"] = json.dumps(
            {"loss": "mse", "optimizer_config": {"class_name": "Custom>Adam", "config": {}}}
        )

    path = hostile.write_h5(tmp_path / "net.h5", hostile.model(hostile.CONV), add)
    model_file = read_model(path)
    assert model_file.compile_config is not None
    assert model_file.compile_config["loss"] == "mse"
    assert model_file.warnings == ()


def test_that_every_layer_class_is_known_or_refused_for_a_reason() -> None:
    import keras

    from engine.modelfile import classes
    from engine.modelfile.layer_defaults import layer_defaults

    abstract = {"Layer", "Wrapper", "RNN", "StackedRNNCells", "LSTMCell", "GRUCell",
                "SimpleRNNCell", "Pipeline", "MaxNumBoundingBoxes", "InputLayer"}  # fmt: skip
    not_ours = {"Hashing", "HashedCrossing", "Discretization", "MixUp", "CutMix",
                "STFTSpectrogram"}  # fmt: skip
    exported = {
        value.__name__
        for value in vars(keras.layers).values()
        if isinstance(value, type) and issubclass(value, keras.layers.Layer)
    }
    known = set(layer_defaults()) | set(classes.REFUSED) | abstract | not_ours
    assert exported - known == set()
    assert set(layer_defaults()) - exported == set()
    for name in not_ours:
        with pytest.raises(UserError):
            allowlist.check_model(hostile.model(hostile.layer(name)))
