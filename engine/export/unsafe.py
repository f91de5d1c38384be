"""Combinations of export options that are refused, and why; plain data, no TensorFlow."""

from __future__ import annotations

from engine.errors import UserError
from engine.job import INPUT_TYPES


def refuse_unsafe(*, quantize: str, sparse: bool, calibrated: bool, io: str = "float") -> None:
    """Say no to what converts and then does not run, or cannot be made.

    Raises
    ------
    UserError
        ``export.sparse_dynamic``, ``export.io`` or ``export.no_calibration``.
    """
    if quantize == "dynamic" and sparse:
        raise UserError(
            "export.sparse_dynamic",
            "Dynamic-range quantisation with sparse encoding converts to a file that no runtime "
            "can run: received dynamic and sparse.",
            "Use --quantize int8 or none with --sparse, or leave --sparse out.",
        )
    if io not in INPUT_TYPES or (io != "float" and quantize != "int8"):
        raise UserError(
            "export.io",
            f"Only full int8 files can take and give int8 or uint8: received {io} with {quantize}.",
            "Use --quantize int8, or leave the type of input and output as float.",
        )
    if quantize == "int8" and not calibrated:
        raise UserError(
            "export.no_calibration",
            "Full int8 needs samples that show the range of every value in the net: none were "
            "given.",
            "Pass data, or use --quantize dynamic, which needs none.",
        )
