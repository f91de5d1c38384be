"""What the search makes of a model without training it: fewer weights, or few values a filter.

Owns which images both go by, and that they are looked at once for a model.
"""

from __future__ import annotations

import numpy as np

from engine.control import EngineControl
from engine.modelfile.graph import Weights
from engine.modelfile.rebuild import build
from engine.search.context import Context, work
from engine.search.models import Candidate
from engine.sparsity.levels import zeroed
from engine.sparsity.rounding import layers_rounded, rounded
from engine.sparsity.trimming import made_up
from engine.training.second_moments import second_moments

IMAGES = 1024
"""Training images that are looked at, at most."""

MOST_WORK = 1e12
"""Work of the pass over them, at most, see :func:`engine.search.context.work`."""


class Untrained:
    """Trims and rounds one candidate at a time; the first kernel and the last stay as they are."""

    def __init__(self, context: Context, control: EngineControl) -> None:
        self._context = context
        self._control = control
        self._last: tuple[Candidate, dict[str, np.ndarray]] | None = None

    def rounded(self, candidate: Candidate, values: int) -> Weights:
        """The candidate's weights with so many different ones a filter, at most."""
        return rounded(
            candidate.graph, candidate.weights, values, self._moments(candidate),
            self._control.checkpoint,
        )  # fmt: skip

    def trimmed(self, candidate: Candidate, sparsity: float) -> Weights:
        """The candidate's weights with this share of zeros, and the others to make up for them."""
        fewer = zeroed(candidate.weights, self._context.levels(candidate, sparsity))
        return made_up(
            candidate.graph, candidate.weights, fewer, self._moments(candidate),
            self._control.checkpoint,
        )  # fmt: skip

    def _moments(self, candidate: Candidate) -> dict[str, np.ndarray]:
        if self._last is None or self._last[0] is not candidate:
            self._last = None  # the former one's go before the next one's come
            self._last = (candidate, self._looked_at(candidate))
        return self._last[1]

    def _looked_at(self, candidate: Candidate) -> dict[str, np.ndarray]:
        context, images = self._context, self._context.data.train.images
        most = int(min(IMAGES, max(1.0, MOST_WORK / max(1.0, work(candidate.graph))), len(images)))
        drawn = np.random.default_rng(context.job.seed).choice(len(images), most, replace=False)
        return second_moments(
            build(candidate.graph, candidate.weights), candidate.graph,
            layers_rounded(candidate.graph), images[np.sort(drawn)],
            preprocess=context.transform, seed=context.job.seed, control=self._control,
        )  # fmt: skip
