"""What can be said of a model file before any engine is up.

Owns the request that reads a file (in a short-lived child of the engine's) and the answer as plain
data. Called in a thread of :mod:`gui.tasks`; the rooms of the engine it needs are imported there,
so that the window's first paint does not wait for them. No Qt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.events import LayerState, ModelOpened

KERNELS = frozenset({"kernel", "depthwise_kernel", "pointwise_kernel"})
"""Weights whose zeros count, as in the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """A channel group, in words: its channels, its layers, and why it cannot be cut (or None)."""

    id: str
    channels: int
    layers: tuple[str, ...]
    prunable: bool
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A model that was read, not run. Shapes are without the batch axis.

    ``weights`` is the weights file of an architecture in JSON, ``custom`` the Python file of its
    custom layers. ``input_shape`` is what a person said of sizes that the model leaves open.
    """

    path: str
    size_bytes: int
    written_by: str | None
    inputs: tuple[tuple[int | None, ...] | None, ...]
    outputs: tuple[tuple[int | None, ...] | None, ...]
    groups: tuple[GroupFacts, ...]
    opened: ModelOpened
    weights: str | None = None
    custom: str | None = None
    input_shape: tuple[int, ...] | None = None

    @property
    def prunable(self) -> bool:
        """Whether it can be pruned; a TensorFlow Lite file can only be looked at."""
        return self.opened.format != "tflite"

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return Path(self.path).stem

    @property
    def removable(self) -> int:
        """Channels that could be removed."""
        return sum(g.channels for g in self.groups if g.prunable)


def read_facts(
    path: Path,
    custom: Path | None = None,
    weights: Path | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> ModelFacts:
    """Read a model file; blocks for a second or so. A file of custom layers is read, not run.

    Raises
    ------
    UserError
        Where the file is no model that Secateur opens, or ``input_shape`` does not fit it.
    """
    from engine.channels.cost import cost
    from engine.channels.trace import trace
    from engine.inspection import with_input_shape
    from engine.modelfile.reader import view_model

    model = view_model(path, weights=weights, custom=custom)
    graph = model.graph if input_shape is None else with_input_shape(model.graph, input_shape)
    channels = trace(graph)
    costs = cost(graph)
    first_output = {node.layer: node.outputs[0] for node in reversed(graph.nodes) if node.outputs}
    layers = []
    for name, layer in graph.layers.items():
        output = first_output.get(name)
        full = None if output is None else graph.shape(output)
        kernels = [w for w in layer.weights if w.name.rsplit("/", 1)[-1] in KERNELS]
        zeros = [w.zeros for w in kernels if w.zeros is not None]
        produced = full[-1] if layer.weights and full is not None and len(full) >= 2 else None
        measured = costs.layers.get(name)
        unknown = model.format == "tflite"
        group, reason = channels.layer_group(name), channels.layer_reason(name)
        layers.append(
            LayerState(
                name=name,
                class_name=layer.class_name,
                output_shape=None if full is None else full[1:],
                params=layer.params,
                macs=None if measured is None or unknown else measured.macs,
                channels=produced,
                channels_kept=produced,
                prunable_weights=sum(w.size for w in kernels),
                zeros=sum(zeros) if len(zeros) == len(kernels) else None,
                group=group,
                prunable=group is not None and reason is None,
                reason=reason if layer.weights else None,
            )
        )
    return ModelFacts(
        path=str(path),
        size_bytes=_size(path),
        weights=None if weights is None else str(weights),
        custom=None if custom is None else str(custom),
        input_shape=input_shape,
        written_by=model.written_by,
        inputs=tuple(_no_batch(graph.shape(t)) for t in graph.inputs),
        outputs=tuple(_no_batch(graph.shape(t)) for t in graph.outputs),
        groups=tuple(
            GroupFacts(
                id=g.id,
                channels=g.channels,
                layers=tuple(g.layers),
                prunable=g.prunable,
                reason=g.reason,
            )
            for g in channels.groups
        ),
        opened=ModelOpened(
            name=path.stem,
            format=model.format,
            params=graph.params,
            macs=None if model.format == "tflite" else costs.macs,
            layers=tuple(layers),
            warnings=tuple(model.warnings),
        ),
    )


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a SavedModel folder."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _no_batch(shape: tuple[int | None, ...] | None) -> tuple[int | None, ...] | None:
    return None if shape is None else tuple(shape[1:])
