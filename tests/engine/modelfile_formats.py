"""Every format that a Keras model can be opened from: how it is written, and what was proved.

``FORMATS`` maps a name to its writer; ``table`` makes the table of layer classes and formats that
lies beside the code, ``python -m tests.engine.modelfile_formats`` writes it. What it says is what
``test_modelfile_zoo`` proves: each "yes" stands for equal outputs after opening.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.modelfile import rebuild
from engine.modelfile.graph import ModelFile
from tests.engine import modelfile_zoo as zoo
from tests.engine.modelfile_tools import as_list, open_here, relative_difference

TABLE = Path(__file__).parents[2] / "engine" / "modelfile" / "FORMATS.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A saved model: the path to open, and its weights file where that is another."""

    path: Path
    weights: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way to save a model: ``library`` is "keras" (3) or "tf_keras" (2)."""

    library: str
    title: str
    write: Callable[[Any, Path], Written]


def _whole(suffix: str) -> Callable[[Any, Path], Written]:
    def write(model: Any, folder: Path) -> Written:
        path = folder / f"net.{suffix}"
        model.save(path)
        return Written(path=path)

    return write


def _savedmodel(model: Any, folder: Path) -> Written:
    model.save(folder / "net", save_format="tf")
    return Written(path=folder / "net")


def _json(weights_name: str, weights_file: str | None = None) -> Callable[[Any, Path], Written]:
    def write(model: Any, folder: Path) -> Written:
        (folder / "net.json").write_text(model.to_json(), encoding="utf-8")
        model.save_weights(folder / weights_name)
        return Written(path=folder / "net.json", weights=folder / (weights_file or weights_name))

    return write


FORMATS: dict[str, Format] = {
    "keras3": Format(library="keras", title="Keras 3 `.keras`", write=_whole("keras")),
    "keras3-h5": Format(library="keras", title="Keras 3 `.h5`", write=_whole("h5")),
    "keras3-json": Format(
        library="keras", title="Keras 3 JSON + `.weights.h5`", write=_json("net.weights.h5")
    ),
    "keras2": Format(library="tf_keras", title="Keras 2 `.keras`", write=_whole("keras")),
    "keras2-h5": Format(library="tf_keras", title="Keras 2 `.h5`", write=_whole("h5")),
    "keras2-savedmodel": Format(library="tf_keras", title="Keras 2 SavedModel", write=_savedmodel),
    "keras2-json": Format(
        library="tf_keras", title="Keras 2 JSON + `.h5`", write=_json("net_weights.h5")
    ),
    "keras2-checkpoint": Format(
        library="tf_keras", title="Keras 2 JSON + checkpoint", write=_json("net", "net.index")
    ),
}

NOT_WRITTEN: dict[tuple[str, str], str] = {
    **{
        ("Equalization", name): "part of a cycle: outside training it gives its input itself"
        for name in ("keras3", "keras3-h5", "keras3-json")
    },
    **{
        (case, "keras3-h5"): "cannot pickle 'module' object"
        for case in (
            "RandomBrightness", "RandomColorDegeneration", "RandomPosterization",
            "RandomSaturation", "RandomSharpness", "Solarization",
        )
    },
}  # fmt: skip
"""Zoo case and format that Keras itself cannot write, with what it says."""


def cases(name: str) -> dict[str, zoo.Case]:
    """The zoo's nets that a format's library can build."""
    return zoo.CASES | (zoo.KERAS3_ONLY if FORMATS[name].library == "keras" else {})


def check(original: Any, written: Written, tolerance: float = 1e-5) -> ModelFile:
    """Open what was written, rebuild it, and compare shapes, parameters and outputs."""
    model_file, weights = open_here(written.path, weights=written.weights)
    rebuilt = rebuild.build(model_file.graph, weights)
    x = zoo.inputs_of(original)
    given = x[0] if len(x) == 1 else x
    wanted, got = as_list(original(given, training=False)), as_list(rebuilt(given, training=False))
    assert len(wanted) == len(got)
    for want, have, tensor in zip(wanted, got, model_file.graph.outputs, strict=True):
        assert np.std(want.astype("float64")) > 1e-6, "a dead net proves nothing"
        assert relative_difference(want, have) <= tolerance
        shape = model_file.graph.shape(tensor)
        if shape is not None:
            assert len(shape) == want.ndim
            assert all(a in (None, b) for a, b in zip(shape, want.shape, strict=True))
    assert model_file.graph.params == original.count_params() == rebuilt.count_params()
    return model_file


def table() -> str:
    """Layer classes and formats as Markdown."""
    titles = [each.title for each in FORMATS.values()]
    classes = sorted({name.partition("_")[0] for name in zoo.CASES | zoo.KERAS3_ONLY})
    rows = [_row(class_name) for class_name in classes]
    return "\n".join(
        [
            _HEAD.strip(),
            "",
            f"| layer class | {' | '.join(titles)} |",
            f"|---|{'---|' * len(titles)}",
            *rows,
            "",
            _TAIL.strip(),
            "",
        ]
    )


def _row(class_name: str) -> str:
    cells = []
    for name in FORMATS:
        own = [case for case in cases(name) if case.partition("_")[0] == class_name]
        written = [case for case in own if (case, name) not in NOT_WRITTEN]
        cells.append("yes" if written else "not written" if own else "-")
    return f"| {class_name} | {' | '.join(cells)} |"


_HEAD = """
# What Secateur opens

Written by `python -m tests.engine.modelfile_formats`, and compared with that by a test.

- **yes**: a net of this layer, made alive with random weights, was saved by that library in that
  format, opened and rebuilt, and gave the same outputs (1e-5 of their standard deviation).
- **-**: that library has no such layer.
- **not written**: the library itself cannot save it so.
"""

_TAIL = """
Keras 2 is tf_keras 2.21. Whole nets are compared too: nested, shared, several inputs and outputs,
each family of `keras.applications` (1e-4), float16 policies (1e-2).

Configs of Keras 1.x, 2.0, 2.2 and 2.3 are tested on files written by hand, since those versions
cannot be installed any more. Kernels in Theano's order are turned; nets with `channels_first` are
rebuilt with channels last and a Permute at the input.

## What else is recognised

| file | answer |
|---|---|
| `.tflite` | is shown (operators, tensors, sizes, zeros), in the window too; not pruned |
| weights alone | needs its network: `model.to_json()` in a file, and `--weights FILE` |
| architecture alone (`.json`) | needs its weights: `--weights FILE` |
| SavedModel without a Keras model (an `export` of Keras 3) | holds no layers to prune |
| subclassed model | its layers stand in Python code: build it as a Functional model |
| layers of your own | with `--custom FILE.py`; they are carried along as they are |
| `Lambda`, `TFSMLayer`, `TorchModuleWrapper`, other classes | refused: no file may run code |
"""


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
