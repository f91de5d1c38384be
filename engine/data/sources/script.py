"""Sources made of code: a data script of the user's, run in the engine process only.

Owns the running of the script and the collecting of whatever its functions return into arrays.
Only trusted scripts run, see :mod:`engine.data.trust`. It knows nothing of label forms and models
but for the image that they take.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from engine.data.hashing import array_hashes
from engine.data.images import ImageTarget
from engine.data.raw import PartName, RawPart, RawSource
from engine.data.script_parts import Packing, Script
from engine.data.store import Collector
from engine.data.trust import require_trust
from engine.errors import UserError

_PARTS: dict[str, PartName] = {"train": "train", "val": "val", "test": "test"}
_FUNCTIONS = {
    "metric": "(y_true, y_pred)",
    "loss": "(y_true, y_pred)",
    "augment": "(images, labels, seed)",
}
_MOST_SAMPLES = 5_000_000
_INFINITE = -1  # tf.data.INFINITE_CARDINALITY
_MODULE = "secateur_data_script"
_HINT = "'secateur template data' writes a script to start from."


def read_script(path: Path, target: ImageTarget) -> RawSource:
    """Run a data script and collect its parts.

    Raises
    ------
    UserError
        ``data.script_untrusted`` where it may not run, ``data.script`` where it fails or returns
        what is no data.
    """
    digest = require_trust(path)
    module = _run(path)
    script = _own_words(module, path)
    packings: dict[Packing | None, str] = {}
    if not callable(getattr(module, "train", None)):
        raise UserError("data.script", f"The data script has no function train(): {path}.", _HINT)
    ready = getattr(module, "preprocess", None)
    parts: dict[str, RawPart] = {}
    identity = hashlib.sha256(digest.encode())
    for name, part in _PARTS.items():
        function = getattr(module, name, None)
        if function is None:
            continue
        reader = _Reader(target=target, ready=ready, origin=f"{name}() of {path}", path=path,
                         script=script)  # fmt: skip
        images, labels = reader.collect(_guarded(path, function))
        packings[reader.packing] = name
        hashes = array_hashes(images)
        identity.update("".join(hashes).encode() + np.ascontiguousarray(labels).tobytes())
        parts[part] = RawPart(images=images, labels=labels, hashes=hashes, origin=f"{name}()")
    if len(packings) > 1:
        raise UserError(
            "data.script",
            f"The parts have labels of different forms: {' and '.join(packings.values())}() "
            f"of {path}.",
            _HINT,
        )
    if list(parts) == ["train"]:
        parts = {"all": parts["train"]}
    return RawSource(
        parts=parts,
        sha256=identity.hexdigest(),
        class_names=tuple(str(name) for name in getattr(module, "class_names", ())),
        ready=ready is not None,
        notes=() if ready is None else ("The script's own preprocess() makes images ready.",),
        script=replace(script, labels=next(iter(packings))),
    )


def _own_words(module: ModuleType, path: Path) -> Script:
    """The script's own metric, loss, changes and class weights, each checked."""
    found: dict[str, Any] = {}
    for name, arguments in _FUNCTIONS.items():
        function = getattr(module, name, None)
        if function is not None and not callable(function):
            raise UserError(
                "data.script", f"{name} must be a function of {arguments}: {path}.", _HINT
            )
        found[name] = function
    weights = getattr(module, "class_weight", None) or {}
    pairs = weights.items() if isinstance(weights, Mapping) else enumerate(weights)
    try:
        found["class_weights"] = tuple((int(index), float(weight)) for index, weight in pairs)
    except (TypeError, ValueError):
        raise UserError(
            "data.script",
            f"class_weight must have a number for each class id: {weights!r} in {path}.",
            "Write class_weight = {0: 1.0, 1: 3.0}.",
        ) from None
    return Script(higher_is_better=bool(getattr(module, "higher_is_better", True)), **found)


def _run(path: Path) -> ModuleType:
    """The script as a module; files beside it can be imported."""
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise UserError("data.script", f"This is not a Python file: {path}.", _HINT)
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    loader = spec.loader
    try:
        _guarded(path, lambda: loader.exec_module(module))
    finally:
        sys.path.remove(folder)
    return module


def _guarded(path: Path, function: Callable[[], Any]) -> Any:
    """Call the user's code; whatever it raises becomes one sentence with its line."""
    try:
        return function()
    except UserError:
        raise
    except Exception as error:  # the user's code may raise anything
        raise _failed(path, error) from error


def _failed(path: Path, error: Exception) -> UserError:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.lineno for frame in frames if Path(frame.filename).name == path.name]
    where = f" in line {own[-1]}" if own else ""
    what = f"{type(error).__name__}: {error}".splitlines()[0][:160]
    return UserError("data.script", f"The data script failed{where} ({what}): {path}.", _HINT)


class _Reader:
    """Collects whatever one function of a script returned into images and labels."""

    def __init__(
        self,
        *,
        target: ImageTarget,
        ready: Callable[[Any], Any] | None,
        origin: str,
        path: Path,
        script: Script,
    ) -> None:
        self.packing: Packing | None = None
        self._target = target
        self._ready = ready
        self._origin = origin
        self._path = path
        self._script = script

    def collect(self, made: Any) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels, ``(n, ...)`` each."""
        images, labels = Collector(), Collector()
        count = 0
        for x, y in self._batches(made):
            if len(x) != len(y):
                raise _no_data(self._origin, f"{len(x)} images with {len(y)} labels")
            if self._ready is not None:
                ready = _guarded(self._path, partial(self._ready, x.astype(np.float32)))
                x = np.asarray(ready, np.float32)
            images.add(x)
            labels.add(y)
            count += len(x)
            if count > _MOST_SAMPLES:
                raise _no_data(self._origin, f"more than {_MOST_SAMPLES:,} samples: does it end?")
        if not count:
            raise _no_data(self._origin, "nothing")
        try:
            return images.finish(), labels.finish()
        except ValueError as error:
            raise _no_data(self._origin, str(error)) from None

    def _batches(self, made: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of images and labels."""
        items = _items(made, self._origin)
        while True:
            item = _guarded(self._path, lambda: next(items, None))
            if item is None:
                return
            if isinstance(item, Mapping) or not isinstance(item, (tuple, list)) or len(item) < 2:
                raise _no_data(self._origin, f"a {type(item).__name__} instead of (image, label)")
            if len(item) > 2:
                raise _no_data(self._origin, "sample weights too; class_weight has their place")
            if isinstance(item[0], (Mapping, tuple)):
                raise _no_data(self._origin, "several inputs; one is needed")
            x = np.asarray(item[0])
            single = _is_single(x, self._target)
            yield (x[np.newaxis] if single else x), self._labels(item[1], single)

    def _labels(self, given: Any, single: bool) -> np.ndarray:
        """Labels of a batch; several are packed into rows."""
        if not isinstance(given, (Mapping, tuple)):
            labels = np.asarray(given)
            return labels[np.newaxis] if single else labels
        if self._script.metric is None or self._script.loss is None:
            raise _no_data(
                self._origin, "several labels, which need 'metric' and 'loss' in the script"
            )
        values = list(given.values()) if isinstance(given, Mapping) else list(given)
        arrays = [np.asarray(value)[np.newaxis] if single else np.asarray(value)
                  for value in values]  # fmt: skip
        names = tuple(map(str, given)) if isinstance(given, Mapping) else ()
        packing = Packing(shapes=tuple(array.shape[1:] for array in arrays), names=names)
        if self.packing is not None and packing != self.packing:
            raise _no_data(self._origin, f"labels of {self.packing.shapes}, then {packing.shapes}")
        self.packing = packing
        return packing.pack(arrays)


def _items(made: Any, origin: str) -> Iterator[Any]:
    """The (image, label) pairs of arrays, a dataset, a PyDataset or a generator."""
    if isinstance(made, (tuple, list)) and len(made) == 2 and hasattr(made[0], "shape"):
        return iter([tuple(made)])
    if hasattr(made, "as_numpy_iterator"):
        if int(made.cardinality()) == _INFINITE:
            raise _no_data(origin, "a dataset that never ends")
        return iter(made.as_numpy_iterator())
    if hasattr(made, "__getitem__") and hasattr(made, "__len__"):
        return (made[index] for index in range(len(made)))
    if inspect.isgenerator(made) or hasattr(made, "__next__") or hasattr(made, "__iter__"):
        return iter(made)
    raise _no_data(origin, f"a {type(made).__name__}")


def _is_single(x: np.ndarray, target: ImageTarget) -> bool:
    """Whether this is one image and not a batch: by its axes, or by its last one."""
    if x.ndim != 3:
        return x.ndim < 3
    return x.shape[2] in (1, 3, 4, target.channels)


def _no_data(origin: str, received: str) -> UserError:
    return UserError(
        "data.script",
        f"{origin} must return images and labels; it gave {received}.",
        _HINT,
    )
