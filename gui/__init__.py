"""The window: what is seen. It never imports TensorFlow or Keras; pyqtgraph comes after paint."""
