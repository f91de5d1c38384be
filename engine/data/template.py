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
'''
