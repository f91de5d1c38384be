"""Nets with channels first, rebuilt with channels last: the same function on any processor.

Owns the change: a layer that says ``channels_first`` works on turned tensors, layers that do not
care for the order go along, and a Permute stands wherever the order of axes changes. Inputs and
outputs keep the file's order. TensorFlow runs channels-first convolutions on GPUs alone. It knows
nothing of files and of weights, whose kernels are the same either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.errors import UserError
from engine.modelfile.classes import words
from engine.modelfile.objects import layer_config
from engine.modelfile.tree import Call, Entry, Model, map_refs, ref, refs_in

_FIRST: Final = "channels_first"
_RANKS: Final = {"1D": 3, "2D": 4, "3D": 5}
_IMAGE_RANK: Final = 4
_FOLLOWERS: Final = words(
    """Activation ReLU LeakyReLU ELU Dropout AlphaDropout GaussianNoise GaussianDropout Identity
    ActivityRegularization Add Subtract Multiply Average Maximum Minimum"""
)
_WITH_AXIS: Final = words("BatchNormalization LayerNormalization GroupNormalization Concatenate")
_OVER_LAST_AXIS: Final = words("softmax log_softmax sparsemax glu")

Ref = tuple[str, int, int]


def turn_channels(model: Model) -> tuple[str, ...]:
    """Change a tree in place; sentences for people where something was turned.

    Raises
    ------
    UserError
        Where a channels-first layer stands inside a wrapper or is a recurrent one.
    """
    turned = 0
    for entry in model.entries:
        if entry.model is not None:
            turned += len(turn_channels(entry.model))
        _refuse_inner(entry)
    if any(_wants_turning(entry) for entry in model.entries):
        _Turn(model).run()
        turned += 1
    if not turned:
        return ()
    return ("The model has its channels first; it is rebuilt with channels last, input as before.",)


def _wants_turning(entry: Entry) -> bool:
    return entry.config.get("data_format") == _FIRST and entry.class_name != "Flatten"


def _refuse_inner(entry: Entry) -> None:
    inner = [entry.config.get(key) for key in ("layer", "backward_layer")]
    wrapped = any(
        isinstance(item, Mapping) and item["config"].get("data_format") == _FIRST for item in inner
    )
    recurrent = entry.class_name.startswith("ConvLSTM") and _wants_turning(entry)
    activation = _wants_turning(entry) and entry.config.get("activation") in _OVER_LAST_AXIS
    if wrapped or recurrent or activation:
        raise UserError(
            "model.no_counterpart",
            "The model has its channels first in a layer that Secateur cannot turn: "
            f"{entry.name!r} ({entry.class_name}).",
            "Rebuild the model with data_format='channels_last' and save it again.",
        )


@dataclass(slots=True)
class _Turn:
    """One pass over one model. ``ranks`` has the axes of every turned tensor."""

    model: Model
    ranks: dict[Ref, int] = field(default_factory=dict)
    made: dict[tuple[Ref, bool], str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def run(self) -> None:
        """Decide, in the order of the calls, which layers are turned; then set Permutes."""
        turned: set[str] = set()
        for entry in _in_order(self.model):
            rank = self._rank(entry)
            if rank is None:
                continue
            turned.add(entry.name)
            if not _flattens(entry):
                for number in range(len(entry.calls)):
                    self.ranks[(entry.name, number, 0)] = rank
            self._change(entry, rank)
        for entry in self.model.entries:
            inside = entry.name in turned
            for call in entry.calls:
                rank = self._rank_inside(entry, call) if inside else None
                call.args = self._rewired(call.args, rank)
                call.kwargs = self._rewired(call.kwargs, rank)
            self.entries.append(entry)
        self.model.outputs = self._rewired(self.model.outputs, None)
        self.model.entries = self.entries

    def _rank(self, entry: Entry) -> int | None:
        """Axes of a layer's turned input; None where the layer is not turned."""
        if _wants_turning(entry):
            return _RANKS.get(entry.class_name[-2:]) or _rank_of_name(entry.class_name)
        ranks = [self.ranks.get(r) for call in entry.calls for r in refs_in(call.args)]
        if not ranks or None in ranks or len(set(ranks)) > 1:
            return None
        rank = ranks[0]
        if entry.class_name == "Flatten":
            return rank if entry.config.get("data_format") == _FIRST else None
        return rank if _follows(entry) else None

    def _rank_inside(self, entry: Entry, call: Call) -> int:
        own = self.ranks.get((entry.name, 0, 0))
        if own is not None:
            return own
        given = [self.ranks.get(r) for r in refs_in(call.args)]
        return next((rank for rank in given if rank), _rank_of_name(entry.class_name))

    @staticmethod
    def _change(entry: Entry, rank: int) -> None:
        if "data_format" in entry.config:
            entry.config["data_format"] = "channels_last"
        if entry.class_name in _WITH_AXIS:
            entry.config["axis"] = _turned_axis(entry.config["axis"], rank)

    def _rewired(self, value: Any, rank: int | None) -> Any:
        """References as a turned layer (``rank``) or any other one (None) wants them."""

        def change(layer: str, call: int, output: int) -> dict[str, Any]:
            source = (layer, call, output)
            have = self.ranks.get(source)
            if (have is None) == (rank is None):
                return ref(*source)
            return ref(self._permute(source, have or rank or 0, to_last=rank is not None), 0, 0)

        return map_refs(value, change)

    def _permute(self, source: Ref, rank: int, *, to_last: bool) -> str:
        """Name of the Permute of a tensor, made where there is none yet."""
        key = (source, to_last)
        if key not in self.made:
            taken = {entry.name for entry in [*self.model.entries, *self.entries]}
            name = f"{source[0]}_{'to_last' if to_last else 'to_first'}"
            while name in taken:
                name += "_"
            axes = list(range(1, rank))
            dims = [*axes[1:], 1] if to_last else [rank - 1, *axes[:-1]]
            _, config = layer_config("Permute", {"name": name, "dims": dims}, 3)
            call = Call(args=[ref(*source)])
            self.entries.append(Entry(name=name, class_name="Permute", config=config, calls=[call]))
            self.made[key] = name
        return self.made[key]


def _in_order(model: Model) -> Iterator[Entry]:
    """Layers, each after those that it reads; whatever goes in a circle is left to others."""
    waiting = {entry.name: entry for entry in model.entries}
    done: set[str] = set()
    while waiting:
        ready = [
            entry
            for entry in waiting.values()
            if all(
                layer in done or layer == entry.name or layer not in waiting
                for call in entry.calls
                for layer, _, _ in refs_in([call.args, call.kwargs])
            )
        ]
        if not ready:
            return
        for entry in ready:
            done.add(entry.name)
            del waiting[entry.name]
            yield entry


def _follows(entry: Entry) -> bool:
    """Whether a layer does the same whatever the order of axes is, perhaps with another axis."""
    if entry.module != "keras.layers" or entry.config.get("noise_shape"):
        return False
    if entry.class_name in _WITH_AXIS:
        return isinstance(entry.config.get("axis"), int)
    if entry.config.get("activation") in _OVER_LAST_AXIS:
        return False
    return entry.class_name in _FOLLOWERS


def _flattens(entry: Entry) -> bool:
    """Whether the output has no spatial axes left."""
    if entry.class_name == "Flatten":
        return True
    return entry.class_name.startswith("Global") and not entry.config.get("keepdims")


def _rank_of_name(class_name: str) -> int:
    return next((rank for word, rank in _RANKS.items() if word in class_name), _IMAGE_RANK)


def _turned_axis(axis: int, rank: int) -> int:
    place = axis % rank
    return place if place == 0 else rank - 1 if place == 1 else place - 1
