"""The data room: sources, labels, splits, preprocessing, tasks and metrics.

It never imports TensorFlow or Keras at import; only :mod:`engine.data.tf_preprocess` does.
"""

from engine.data.sample import sample_model_path

__all__ = ["sample_model_path"]
