"""Data scripts: what they may return, whom they run for, and how their errors are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine import data
from engine.data import store
from engine.data.parts import LoadedData
from engine.data.template import DATA_SCRIPT
from engine.data.trust import require_trust, trust
from engine.errors import UserError
from engine.job import DataSpec

HEAD = """
import numpy as np
rng = np.random.default_rng(0)
X, Y = rng.integers(0, 256, (40, 6, 5, 3), dtype="uint8"), np.arange(40) % 3
"""


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def load(tmp_path: Path, text: str, *, allow: bool = True) -> LoadedData:
    path = tmp_path / "my_data.py"
    path.write_text(text)
    if allow:
        trust(path)
    return data.load(DataSpec(source=str(path)), input_shape=(6, 5, 3), outputs=3)


RETURNS = {
    "arrays": "def train(): return X, Y",
    "generator": "def train():\n for x, y in zip(X, Y):\n  yield x, y",
    "batches": "def train():\n for i in range(0, 40, 7):\n  yield X[i:i + 7], Y[i:i + 7]",
    "dataset": "import tensorflow as tf\n"
    "def train(): return tf.data.Dataset.from_tensor_slices((X, Y))",
    "dataset of batches": "import tensorflow as tf\n"
    "def train(): return tf.data.Dataset.from_tensor_slices((X, Y)).batch(7)",
    "PyDataset": "import keras\n"
    "class D(keras.utils.PyDataset):\n"
    " def __len__(self): return 6\n"
    " def __getitem__(self, i): return X[7 * i:7 * i + 7], Y[7 * i:7 * i + 7]\n"
    "def train(): return D()",
}


@pytest.mark.parametrize("form", list(RETURNS))
def test_that_a_script_may_return_any_of_these(tmp_path: Path, form: str) -> None:
    loaded = load(tmp_path, HEAD + RETURNS[form])
    rng = np.random.default_rng(0)
    expected = rng.integers(0, 256, (40, 6, 5, 3), dtype="uint8")
    assert loaded.divided == "whole"
    parts = (loaded.train, loaded.search, loaded.report)
    found = {(x.tobytes(), int(y)) for p in parts for x, y in zip(p.images, p.labels, strict=True)}
    assert found == {(x.tobytes(), i % 3) for i, x in enumerate(expected)}
    assert loaded.train.images.dtype == np.uint8


def test_that_parts_names_and_preprocessing_of_a_script_are_used(tmp_path: Path) -> None:
    text = HEAD + (
        "class_names = ['a', 'b', 'c']\n"
        "def train(): return X, Y\n"
        "def val(): return X[:9] ^ 255, Y[:9]\n"
        "def test(): return X[9:19] ^ 255, Y[9:19]\n"
        "def preprocess(x): return x / 100.0\n"
    )
    loaded = load(tmp_path, text)
    assert (len(loaded.train), len(loaded.search), len(loaded.report)) == (40, 9, 10)
    assert loaded.class_names == ("a", "b", "c")
    assert loaded.train.images.dtype == np.float32
    assert loaded.train.images.max() == pytest.approx(2.55)
    assert loaded.train.ready
    found = data.find_preprocess(
        lambda x: np.eye(3)[np.zeros(len(x), int)], loaded.train,
        data.Task(kind="classification", classes=3, outputs=3, activation="softmax",
                  from_logits=False, metric="accuracy"),
    )  # fmt: skip
    assert list(found.values) == ["none"]


def test_that_files_beside_a_script_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "my_helper_module.py").write_text("CLASSES = 3\n")
    text = HEAD + "import my_helper_module\ndef train(): return X, Y % my_helper_module.CLASSES"
    assert len(load(tmp_path, text).train) == 28


def test_that_many_samples_of_a_script_go_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load(tmp_path, HEAD + RETURNS["batches"])
    monkeypatch.setattr(store, "IN_MEMORY_BYTES", 1000)
    kept = load(tmp_path, HEAD + RETURNS["batches"])
    assert isinstance(kept.train.images, store.StreamedArray)
    assert np.array_equal(kept.train.images, plain.train.images)
    assert kept.sha256 == plain.sha256


def test_that_only_a_script_given_by_hand_runs_and_only_as_it_was(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = HEAD + f"open({str(mark)!r}, 'w').close()\n" + RETURNS["arrays"]
    with pytest.raises(UserError) as caught:
        load(tmp_path, text, allow=False)
    assert caught.value.code == "data.script_untrusted"
    assert caught.value.hint
    assert not mark.exists()
    load(tmp_path, text)
    assert mark.exists()
    mark.unlink()
    with pytest.raises(UserError, match="never given by hand"):
        load(tmp_path, text + "\n# changed", allow=False)
    assert not mark.exists()
    trust(tmp_path / "my_data.py")
    trust(tmp_path / "my_data.py")
    assert require_trust(tmp_path / "my_data.py")
    (lines,) = (tmp_path / "config").rglob("trusted-scripts.txt")
    assert len(lines.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def test(): return X, Y", "no function train()"),
        ("def train():\n  return X, 1 / 0", "line 6 (ZeroDivisionError"),
        ("1 +", "SyntaxError"),
        ("import no_such_module_anywhere", "No module named"),
        ("def train(): return 7", "a int"),
        ("def train(): return iter([7])", "a int instead of (image, label)"),
        ("def train(): return iter([])", "nothing"),
        ("def train(): return iter([(X[0], {'a': 1})])", "several labels, which need"),
        ("def train(): return iter([(X[:3], Y[:2])])", "3 images with 2 labels"),
        ("def train():\n  yield X[0], 0\n  raise OSError('gone')", "line 7 (OSError: gone)"),
        ("def train(): return X, Y\nloss = 1", "loss must be a function of (y_true, y_pred)"),
        ("def train(): return X, Y\nclass_weight = {0: 'a'}", "a number for each class id"),
        ("def train(): return iter([(X, Y, Y)])", "sample weights"),
        ("import tensorflow as tf\n"
         "def train(): return tf.data.Dataset.from_tensor_slices((X, Y)).repeat()", "never ends"),
    ],
)  # fmt: skip
def test_that_a_script_that_fails_says_where(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, HEAD + body)
    assert caught.value.code == "data.script"
    assert words in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_that_the_template_is_a_script_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "template.py"
    path.write_text(DATA_SCRIPT)
    trust(path)
    loaded = data.load(DataSpec(source=str(path)), input_shape=(8, 8, 1), outputs=10)
    assert (len(loaded.train), len(loaded.search), len(loaded.report)) == (200, 50, 50)


def test_that_a_tfrecord_set_is_read_as_the_template_says(tmp_path: Path) -> None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    images = np.kron(rng.integers(0, 256, (30, 3, 3, 3)), np.ones((1, 10, 10, 1))).astype("uint8")
    with tf.io.TFRecordWriter(str(tmp_path / "train.tfrecord")) as writer:
        for index, image in enumerate(images):
            feature = {
                "image": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[tf.io.encode_jpeg(image).numpy()])
                ),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[index % 3])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    lines = DATA_SCRIPT.split("# A TFRecord file instead:")[1].split("# TensorFlow Datasets")[0]
    body = "\n".join(
        line.strip().removeprefix("#").removeprefix(" ") for line in lines.splitlines()
    )
    body = body.replace("(224, 224)", "(6, 5)")
    body = body.replace("train.tfrecord", str(tmp_path / "train.tfrecord"))
    text = "def train():\n" + "\n".join(f"    {line}" for line in body.splitlines())
    loaded = load(tmp_path, text)
    assert len(loaded.train) == 21
    assert loaded.train.images.shape[1:] == (6, 5, 3)
