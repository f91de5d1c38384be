"""Exports that were opened, run and measured before they are called saved.

Importing this package imports neither TensorFlow nor a TFLite runtime.
"""

from engine.export.exporter import export_model
from engine.export.result import Checks, ExportResult, Latency
from engine.export.server import HelperProcess

__all__ = ["Checks", "ExportResult", "HelperProcess", "Latency", "export_model"]
