"""The data room: sources, labels, splits, preprocessing, tasks, metrics and their statistics.

It imports neither TensorFlow nor Keras; :mod:`engine.data.tf_preprocess`, which does, is imported
by name in the engine process. So is :mod:`engine.data.tf_augment`.
"""

from engine.data.augment import Augmentation, measure_augmentation
from engine.data.doubts import balanced_weights, looks_seen, unevenness
from engine.data.find import Found, find_preprocess
from engine.data.load import class_counts, load
from engine.data.metrics import METRICS, Metric, metric_named, metrics_for, per_sample, value
from engine.data.naming import PreprocessWish, parse_preprocess
from engine.data.parts import LoadedData, Part
from engine.data.preprocess import Preprocess
from engine.data.sample import sample_model_path
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
    "Metric",
    "Part",
    "Preprocess",
    "PreprocessWish",
    "Task",
    "balanced_weights",
    "class_counts",
    "find_preprocess",
    "find_task",
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
    "parse_preprocess",
    "per_sample",
    "predicted_classes",
    "sample_model_path",
    "samples_by_se",
    "samples_for_share",
    "samples_needed",
    "standard_error",
    "unevenness",
    "value",
    "wilson",
]
