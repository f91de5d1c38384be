"""Training room: fine-tune, norm statistics, prediction. The engine process only.

Importing this package is light; its modules import Keras and TensorFlow.
"""

from engine.training.control import Control, FreeRun, Stopped

__all__ = ["Control", "FreeRun", "Stopped"]
