"""Secateur's engine: prune trained Keras CNNs to an accuracy target.

The documented entries are :func:`inspect`, :func:`slim`, :func:`evaluate`, :func:`prune` and
:func:`export`; they are imported when they are first used, so that ``import engine`` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.api import evaluate, export, inspect, prune, slim

__version__ = "0.1.0"
__all__ = ["__version__", "evaluate", "export", "inspect", "prune", "slim"]

_ENTRIES = ("inspect", "slim", "evaluate", "prune", "export")


def __getattr__(name: str) -> Any:
    if name in _ENTRIES:
        import importlib

        return getattr(importlib.import_module("engine.api"), name)
    raise AttributeError(f"module 'engine' has no attribute {name!r}")
