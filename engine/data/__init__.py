"""The data room: sources, labels, splits, preprocessing, tasks, metrics and their statistics.

It imports neither TensorFlow nor Keras; :mod:`engine.data.tf_preprocess`, which does, is imported
by name in the engine process. So is :mod:`engine.data.tf_augment`.
"""

from engine.data.augment import Augmentation, Measured, measure_augmentation, parse_augment
from engine.data.doubts import (
    balanced_weights,
    class_counts,
    class_weights,
    counts_by_part,
    imbalance,
    looks_seen,
    seen_sentence,
    unevenness,
)
from engine.data.find import Found, find_preprocess
from engine.data.load import load
from engine.data.metrics import (
    METRICS,
    Metric,
    compiled_metric,
    metric_named,
    metrics_for,
    per_sample,
    value,
)
from engine.data.naming import PreprocessWish, parse_preprocess
from engine.data.order import parse_order, reordered
from engine.data.parts import LoadedData, Part
from engine.data.preprocess import Preprocess
from engine.data.preview import write_preview
from engine.data.sample import sample_model_path
from engine.data.script_parts import Packing, Script
from engine.data.statistics import (
    Drop,
    interval,
    lower_bound,
    one_sided_bound,
    paired_drop,
    samples_by_se,
    samples_for_share,
    samples_needed,
    standard_error,
    wilson,
)
from engine.data.task import Task, find_task, last_activation, predicted_classes

__all__ = [
    "METRICS",
    "Augmentation",
    "Drop",
    "Found",
    "LoadedData",
    "Measured",
    "Metric",
    "Packing",
    "Part",
    "Preprocess",
    "PreprocessWish",
    "Script",
    "Task",
    "balanced_weights",
    "class_counts",
    "class_weights",
    "compiled_metric",
    "counts_by_part",
    "find_preprocess",
    "find_task",
    "imbalance",
    "interval",
    "last_activation",
    "load",
    "looks_seen",
    "lower_bound",
    "measure_augmentation",
    "metric_named",
    "metrics_for",
    "one_sided_bound",
    "paired_drop",
    "parse_augment",
    "parse_order",
    "parse_preprocess",
    "per_sample",
    "predicted_classes",
    "reordered",
    "sample_model_path",
    "samples_by_se",
    "samples_for_share",
    "samples_needed",
    "seen_sentence",
    "standard_error",
    "unevenness",
    "value",
    "wilson",
    "write_preview",
]
