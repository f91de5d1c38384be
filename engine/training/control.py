"""How a long computation is paused and stopped from outside.

Owns the protocol that every loop of the engine process obeys between batches, and nothing else:
it knows neither pipes nor Keras.
"""

from __future__ import annotations

from typing import Protocol

from engine.control import Stopped

__all__ = ["Control", "FreeRun", "Stopped"]


class Control(Protocol):
    """Asked between batches."""

    def checkpoint(self) -> None:
        """Return at once, or block while paused.

        Raises
        ------
        Stopped
            Where a stop was asked for.
        """
        ...


class FreeRun:
    """A control that never pauses and never stops."""

    def checkpoint(self) -> None:
        """Return at once."""
