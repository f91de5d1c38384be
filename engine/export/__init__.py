"""Exports that were opened, run and measured before they are called saved.

Importing this package imports neither TensorFlow nor a TFLite runtime.
"""

from engine.events import Latency
from engine.export.card import Card
from engine.export.exporter import export_model
from engine.export.latency import latency_pair
from engine.export.result import Checks, ExportResult
from engine.export.server import HelperProcess
from engine.export.sizes import FileSizes, estimate_gzip_bytes, measure_file_sizes, measure_sizes

__all__ = [
    "Card",
    "Checks",
    "ExportResult",
    "FileSizes",
    "HelperProcess",
    "Latency",
    "estimate_gzip_bytes",
    "export_model",
    "latency_pair",
    "measure_file_sizes",
    "measure_sizes",
]
