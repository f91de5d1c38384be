"""A person's own criterion: ``FILE.py:function``, run in the engine process at their request.

The function is called with ``graph``, ``weights`` (read-only), ``channels`` and ``seed`` by name
and returns a dict from group id to one number a unit. A group that it leaves out is not cut.
"""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.criteria.base import Inputs, Scores
from engine.data.trust import require_trust
from engine.errors import UserError


def is_user_criterion(text: str) -> bool:
    """Whether this names a file and a function."""
    file, colon, name = text.rpartition(":")
    return bool(colon) and file.endswith(".py") and name.isidentifier()


def find_file(text: str) -> Path:
    """The file of ``FILE.py:function``.

    Raises
    ------
    UserError
        Where it is not there, or nobody allowed it to run.
    """
    path = Path(text.rpartition(":")[0])
    if not path.is_file():
        raise UserError(
            "criterion.no_file", f"There is no such criterion file: {path}.", "Check the path."
        )
    require_trust(path, once="secateur slim MODEL --criterion FILE.py:function")
    return path


def load(text: str) -> Callable[..., object]:
    """The function of ``FILE.py:function``; runs the file's code.

    Raises
    ------
    UserError
        Where the file, or the function in it, is not there, or nobody allowed it to run.
    """
    path, name = find_file(text), text.rpartition(":")[2]
    spec = importlib.util.spec_from_file_location("secateur_user_criterion", path)
    if spec is None or spec.loader is None:
        raise UserError(
            "criterion.no_file", f"This cannot be read as Python: {path}.", "Check the path."
        )
    module, loader = importlib.util.module_from_spec(spec), spec.loader
    _guarded(text, lambda: loader.exec_module(module))
    found = getattr(module, name, None)
    if not callable(found):
        raise UserError(
            "criterion.no_function",
            f"The criterion file has no function of that name: {text}.",
            "Name a function that the file defines.",
        )
    function: Callable[..., object] = found
    return function


def user(inputs: Inputs, text: str) -> Scores:
    """Scores by a person's own function, checked.

    Raises
    ------
    UserError
        Where it fails, or returns something else than one number a unit for known groups.
    """
    function = load(text)
    weights = {n: {w: _read_only(a) for w, a in v.items()} for n, v in inputs.weights.items()}
    answer = _guarded(
        text,
        lambda: function(
            graph=inputs.graph, weights=weights, channels=inputs.channels, seed=inputs.seed
        ),
    )
    if not isinstance(answer, Mapping):
        raise _bad(text, f"it returned {type(answer).__name__} and not a dict")
    sizes = {g.id: g.channels for g in inputs.channels.groups}
    out: Scores = {}
    for group_id, values in answer.items():
        score = np.asarray(values, dtype=np.float64)
        if group_id not in sizes:
            raise _bad(text, f"it scored a group that is not there ({group_id})")
        if score.shape != (sizes[group_id],):
            raise _bad(
                text, f"{group_id} has {sizes[group_id]} units, and it returned {score.shape}"
            )
        out[group_id] = score
    return out


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _guarded(text: str, work: Callable[[], Any]) -> Any:
    """Run a person's code; whatever it raises becomes one sentence with its line."""
    try:
        return work()
    except Exception as error:  # a person's code may raise anything
        file = text.rpartition(":")[0]
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
        where = f" in line {lines[-1]}" if lines else ""
        what = f"{type(error).__name__}: {error}".splitlines()[0][:160]
        raise UserError(
            "criterion.failed",
            f"The criterion failed{where} ({what}): {text}.",
            "Mend the function, or choose another criterion.",
        ) from error


def _bad(text: str, why: str) -> UserError:
    return UserError(
        "criterion.bad_scores",
        f"The criterion's answer cannot be used: {why}: {text}.",
        "Return a dict from group id to an array with one number for each unit of the group.",
    )
