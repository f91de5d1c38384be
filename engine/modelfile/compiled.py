"""What a file says of its compilation: optimiser, rate, loss and metrics, as names and numbers.

Owns the reading of a compile section of Keras 2 or 3. Nothing in it is ever called. It knows
nothing of training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Names as Keras has them; None or empty where the file says nothing."""

    optimizer: str | None
    learning_rate: float | None
    loss: tuple[str, ...]
    metrics: tuple[str, ...]


def compiled_of(config: Mapping[str, Any] | None) -> Compiled | None:
    """A compile section in short; None without one."""
    if config is None:
        return None
    optimizer = config.get("optimizer") or config.get("optimizer_config")
    options = optimizer.get("config") if isinstance(optimizer, Mapping) else None
    rate = None
    if isinstance(options, Mapping):
        rate = options.get("learning_rate", options.get("lr"))
    metrics = tuple(dict.fromkeys(_names(config.get("metrics"))))
    return Compiled(
        optimizer=next(_names(optimizer), None),
        learning_rate=float(rate) if isinstance(rate, int | float) else None,
        loss=tuple(_names(config.get("loss"))),
        metrics=metrics,
    )


def _names(value: Any) -> Iterator[str]:
    """Names of the objects in a value: text, an object with a class, or several of them."""
    if isinstance(value, str):
        yield value.rpartition(">")[2]
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, Mapping):
        class_name, config = value.get("class_name"), value.get("config")
        if not isinstance(class_name, str):
            for item in value.values():
                yield from _names(item)
        elif class_name == "function" and isinstance(config, str):
            yield config
        elif class_name.endswith("MetricWrapper") and isinstance(config, Mapping):
            yield str(config.get("name") or class_name)
        else:
            yield class_name.rpartition(">")[2]
