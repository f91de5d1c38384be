"""The commented data script that ``secateur template data`` writes."""

DATA_SCRIPT = '''"""A data script for Secateur: how your images and labels are read.

Give it as data:  secateur evaluate MODEL --data this_file.py

Secateur runs this file only after you have given it by hand, and again after every change.
Each function returns one of
    (images, labels)             two arrays
    a tf.data.Dataset            of (image, label) or of batches of them
    a keras.utils.PyDataset      of batches
    a generator                  of (image, label) or of batches; it must end
Images are raw or ready for the model: Secateur tries the usual preprocessings and says which one
fits. Do not shuffle, repeat or augment here: each image is read once and kept.
"""

import numpy as np


def train():
    """Images that the model was, or may be, trained on. Fine-tunes use them."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, 8, 8, 1), dtype="uint8")
    labels = rng.integers(0, 10, 200)
    return images, labels

    # A TFRecord file instead:
    #
    # import tensorflow as tf
    # def parse(record):
    #     parsed = tf.io.parse_single_example(record, {
    #         "image": tf.io.FixedLenFeature([], tf.string),
    #         "label": tf.io.FixedLenFeature([], tf.int64),
    #     })
    #     image = tf.io.decode_jpeg(parsed["image"], channels=3)
    #     return tf.image.resize(image, (224, 224)), parsed["label"]
    # return tf.data.TFRecordDataset("train.tfrecord").map(parse).batch(64)
    #
    # TensorFlow Datasets instead:
    #
    # import tensorflow_datasets as tfds
    # return tfds.load("beans", split="train", as_supervised=True)


def test():
    """Images that the model has never seen. They are halved: search and report."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (100, 8, 8, 1), dtype="uint8")
    labels = rng.integers(0, 10, 100)
    return images, labels


# Optional ------------------------------------------------------------------------------------

# def val():
#     """With it, the search uses these images and the report all of test()."""

# class_names = ["cat", "dog", "rat"]

# def preprocess(images):
#     """A batch of images, float32, as the model takes them. With it nothing else is tried."""
#     return images / 127.5 - 1.0

# class_weight = {0: 1.0, 1: 3.0}     # of the loss, by class id

# def augment(images, labels, seed):
#     """A batch of raw images as float32 tensors, changed; TensorFlow operations only. Take what is
#     random from the seed (two int32), so that a run that is gone on with sees the same images.
#     Without it Secateur uses the flips, shifts, ... that the model bears."""
#     return images + tf.random.stateless_uniform(tf.shape(images), seed, -5.0, 5.0), labels

# def loss(y_true, y_pred):
#     """Tensors; one number a sample, or one for the batch. Without it Secateur takes the loss that
#     belongs to model and labels: cross-entropy for classes and masks, squares for numbers."""
#     return keras.losses.huber(y_true, y_pred)

# For a model with several outputs, a detector, ...: labels of any form (a dict or tuple for several
# outputs), with a metric and a loss of your own.
#
# def metric(y_true, y_pred):
#     """NumPy arrays; one number a sample (NaN: does not count). Several outputs come as a dict by
#     layer name where the labels are a dict, else as a tuple."""
#     return (y_pred["kind"].argmax(-1) == y_true["kind"]).astype(float)
#
# higher_is_better = True
#
# def loss(y_true, y_pred):
#     """Tensors; one number a sample, or one for the batch. Models of scripts learn by it alone."""
#     return keras.losses.sparse_categorical_crossentropy(y_true["kind"], y_pred["kind"])
'''
