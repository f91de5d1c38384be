"""Calls of nested models, counted as we count them: from 0.

Owns the difference between Keras's versions in how they number the calls of a model inside a
model. It knows nothing of files and layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.modelfile.tree import Model, map_refs, ref, refs_in


def count_from_zero(model: Model, generation: int) -> None:
    """Count the calls of nested models from 0.

    Keras 2 counts them from 1 (0 is the nested model itself); Keras 3 counts Functional models
    from 0 in calls and from 1 in the outputs.
    """
    nested = {entry.name: entry for entry in model.entries if entry.model is not None}
    if not nested:
        return
    in_calls: dict[str, set[int]] = {name: set() for name in nested}
    in_outputs: dict[str, set[int]] = {name: set() for name in nested}
    for entry in model.entries:
        for call in entry.calls:
            for layer, number, _ in refs_in([call.args, call.kwargs]):
                if layer in nested:
                    in_calls[layer].add(number)
    for layer, number, _ in refs_in(model.outputs):
        if layer in nested:
            in_outputs[layer].add(number)
    shift_calls, shift_outputs = {}, {}
    for name, entry in nested.items():
        count = len(entry.calls)
        if generation < 3:
            both = in_calls[name] | in_outputs[name]
            shift_calls[name] = shift_outputs[name] = _shift(both, count, 1)
        else:
            is_functional = entry.class_name != "Sequential"
            shift_calls[name] = _shift(in_calls[name], count, 0)
            shift_outputs[name] = _shift(in_outputs[name], count, 1 if is_functional else 0)
    for entry in model.entries:
        for call in entry.calls:
            change = _shifted(shift_calls)
            call.args, call.kwargs = map_refs(call.args, change), map_refs(call.kwargs, change)
    model.outputs = map_refs(model.outputs, _shifted(shift_outputs))


def _shift(numbers: set[int], count: int, usual: int) -> int:
    """From which number the calls are counted: the usual one, unless the numbers forbid it."""
    if not numbers:
        return 0
    if min(numbers) >= usual and max(numbers) - usual < count:
        return usual
    return min(numbers) if max(numbers) - min(numbers) < count else 0


def _shifted(shifts: Mapping[str, int]) -> Any:
    def change(layer: str, call: int, output: int) -> dict[str, Any]:
        return ref(layer, call - shifts.get(layer, 0), output)

    return change
