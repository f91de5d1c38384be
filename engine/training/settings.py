"""What a fine-tune is asked to do, as frozen plain data, and the choice of defaults.

Owns the vocabulary of training: settings, loss, learning rate over the steps. It imports
neither Keras nor TensorFlow, so that a search can plan with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.data.script_parts import Script
from engine.modelfile.compiled import compiled_of

OptimizerName = Literal["sgd", "adam"]
LossKind = Literal["categorical", "binary", "values", "script"]

OPTIMIZERS: dict[OptimizerName, str] = {"sgd": "SGD", "adam": "Adam"}
"""What people call them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSpec:
    """How outputs are compared with labels.

    ``categorical``: the last axis holds one value a class, labels are class ids of the outputs'
    shape without that axis. ``binary``: one value each, labels are 0 or 1 of the outputs' shape
    (a missing last axis of size 1 is allowed). ``from_logits`` says what the model puts out.
    ``values``: labels are numbers of the outputs' shape, compared by squares, which are told in
    units of ``variance``. ``script``: a data script's own loss. ``ignore_label`` marks labels that
    do not count; ``class_weights`` has one factor a class.
    """

    kind: LossKind = "categorical"
    from_logits: bool = False
    ignore_label: int | None = None
    class_weights: tuple[float, ...] | None = None
    variance: float = 1.0
    script: Script | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneSettings:
    """One fine-tune.

    Parameters
    ----------
    epochs
        Passes over the training images; the learning rate falls to 0 over all of them.
    batch_size
        Images a step; a tail shorter than this is left out of its epoch (the shuffle differs
        from epoch to epoch).
    learning_rate
        The largest rate, reached after the warm-up.
    weight_decay
        Decoupled decay of kernels (never of norms and biases), per step and learning rate.
    distill
        Share of the loss that compares with the teacher: 0 no teacher, 1 nothing but the teacher.
    temperature
        Softening of teacher and student (Hinton et al. 2015).
    gamma_l1
        Factor of the L1 norm of all BN scales (network slimming, Liu et al. 2017); 0 is off.
    warmup_share
        Share of the steps in which the rate rises linearly.
    """

    epochs: int
    learning_rate: float
    optimizer: OptimizerName = "sgd"
    batch_size: int = 64
    weight_decay: float = 0.0
    seed: int = 0
    distill: float = 0.0
    temperature: float = 2.0
    gamma_l1: float = 0.0
    warmup_share: float = 0.05

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(f"epochs and batch_size must be positive: {self}")
        if not 0.0 <= self.distill <= 1.0 or not 0.0 <= self.warmup_share < 1.0:
            raise ValueError(f"distill is 0..1 and warmup_share 0..1 without 1: {self}")
        if self.learning_rate <= 0 or self.temperature <= 0 or self.gamma_l1 < 0:
            raise ValueError(f"rate and temperature are positive, gamma_l1 is not below 0: {self}")


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Full batches in an epoch, at least one (of all samples, where there are few)."""
    return max(1, samples // batch_size)


def learning_rate_at(step: int, steps: int, settings: FineTuneSettings) -> float:
    """Rate of a step counted from 1: a linear rise, then a linear fall that would reach 0.

    A large start and a linear fall is the best short retraining of BIMP (Zimmer et al. 2023).
    """
    rise = math.ceil(settings.warmup_share * steps)
    if step <= rise:
        return settings.learning_rate * step / (rise + 1)
    return settings.learning_rate * (steps - step + 1) / (steps - rise)


def default_settings(
    compile_config: Mapping[str, Any] | None,
    *,
    epochs: int,
    samples: int,
    seed: int = 0,
    large_rate: bool = True,
    batch_size: int | None = None,
    distill: float = 0.0,
    gamma_l1: float = 0.0,
) -> FineTuneSettings:
    """Settings that suit a model.

    Nets with norms get SGD with momentum and a large rate at the start, however they were trained
    before: measured against Adam at 2e-3 on 2 short epochs, cut nets ended 0.3 (VGG) and 4.9 points
    (ResNet-20) higher, a cut net with 85 % zeros 1.6 points. Those without, which such a rate
    would break, stay with what they were compiled with, or get Adam, at a smaller rate: the file's
    own where it is one to begin with, and not the end of a schedule.

    Parameters
    ----------
    compile_config
        The file's compile section (Keras 2 or 3 form), or None.
    samples
        Number of training images; few of them make small batches, so that steps remain.
    large_rate
        Whether the net has norms, and a loss whose size is known, which a script's is not.
    """
    if batch_size is None:
        batch_size = (
            64 if samples >= 6400 else max(8, 2 ** int(math.log2(max(samples, 1) / 50 + 1)))
        )
    compiled = compiled_of(compile_config)
    own = None if compiled is None or compiled.optimizer is None else compiled.optimizer.lower()
    sgd = large_rate or own == "sgd"
    rate = 1e-3 if not sgd else 0.05 if large_rate else 0.01
    if not large_rate and compiled is not None and own in ("sgd", "adam"):
        said = compiled.learning_rate
        rate = said if said is not None and rate / 10 <= said <= rate else rate
    return FineTuneSettings(
        epochs=epochs,
        learning_rate=rate,
        optimizer="sgd" if sgd else "adam",
        batch_size=batch_size,
        seed=seed,
        distill=distill,
        gamma_l1=gamma_l1,
    )
