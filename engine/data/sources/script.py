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
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from engine.data.hashing import array_hashes
from engine.data.images import ImageTarget
from engine.data.raw import PartName, RawPart, RawSource
from engine.data.store import Collector
from engine.data.trust import require_trust
from engine.errors import UserError

_PARTS: dict[str, PartName] = {"train": "train", "val": "val", "test": "test"}
_KNOWN = frozenset((*_PARTS, "preprocess", "class_names"))
_RESERVED = frozenset(("augment", "class_weight", "loss", "metric", "higher_is_better"))
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
    unused = sorted(name for name in _RESERVED if hasattr(module, name))
    if unused:
        raise UserError(
            "data.script",
            f"This version cannot use {', '.join(unused)} of a data script: {path}.",
            "Remove it from the script.",
        )
    if not callable(getattr(module, "train", None)):
        raise UserError("data.script", f"The data script has no function train(): {path}.", _HINT)
    ready = getattr(module, "preprocess", None)
    parts: dict[str, RawPart] = {}
    identity = hashlib.sha256(digest.encode())
    for name, part in _PARTS.items():
        function = getattr(module, name, None)
        if function is None:
            continue
        images, labels = _collect(
            _guarded(path, function), target, ready, f"{name}() of {path}", path
        )
        hashes = array_hashes(images)
        identity.update("".join(hashes).encode() + np.ascontiguousarray(labels).tobytes())
        parts[part] = RawPart(images=images, labels=labels, hashes=hashes, origin=f"{name}()")
    if list(parts) == ["train"]:
        parts = {"all": parts["train"]}
    return RawSource(
        parts=parts,
        sha256=identity.hexdigest(),
        class_names=tuple(str(name) for name in getattr(module, "class_names", ())),
        ready=ready is not None,
        notes=() if ready is None else ("The script's own preprocess() makes images ready.",),
    )


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


def _collect(
    made: Any, target: ImageTarget, ready: Callable[[Any], Any] | None, origin: str, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of whatever a function returned."""
    images, labels = Collector(), Collector()
    count = 0
    for x, y in _batches(made, target, origin, path):
        if len(x) != len(y):
            raise _no_data(origin, f"{len(x)} images with {len(y)} labels")
        if ready is not None:
            x = np.asarray(_guarded(path, partial(ready, x.astype(np.float32))), np.float32)
        images.add(x)
        labels.add(y)
        count += len(x)
        if count > _MOST_SAMPLES:
            raise _no_data(origin, f"more than {_MOST_SAMPLES:,} samples: does it end?")
    if not count:
        raise _no_data(origin, "nothing")
    try:
        return images.finish(), labels.finish()
    except ValueError as error:
        raise _no_data(origin, str(error)) from None


def _batches(
    made: Any, target: ImageTarget, origin: str, path: Path
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of images and labels."""
    items = _items(made, origin)
    while True:
        item = _guarded(path, lambda: next(items, None))
        if item is None:
            return
        if isinstance(item, Mapping) or not isinstance(item, (tuple, list)) or len(item) < 2:
            raise _no_data(origin, f"a {type(item).__name__} instead of (image, label)")
        if any(isinstance(side, (Mapping, tuple)) for side in item[:2]):
            raise _no_data(origin, "several inputs or outputs; one of each is needed")
        x, y = np.asarray(item[0]), np.asarray(item[1])
        if _is_single(x, target):
            x, y = x[np.newaxis], y[np.newaxis]
        yield x, y


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
