"""Where an export runs, and the lines that load it: sentences and code as plain text.

Owns what is told about a written file beyond its numbers. It imports neither TensorFlow nor a
runtime, and claims nothing that no check has seen without saying so.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from engine.events import Latency


def runs_on(
    to: str,
    *,
    quantize: str = "none",
    sparse: bool = False,
    io: str = "float",
    ops: Mapping[str, int] | None = None,
    latency: Latency | None = None,
) -> str:
    """Where the file was run, where it cannot run, and what nobody measured; two sentences."""
    if to == "savedmodel":
        return (
            f"Run here with TensorFlow {version('tensorflow')}; Keras 3 cannot re-open a "
            "SavedModel as a model. TensorFlow Serving and other versions were not measured."
        )
    if to in ("keras", "h5"):
        return (
            f"Opened here with Keras {version('keras')} on TensorFlow; Keras 2 cannot open it. "
            "Other backends were not measured."
        )
    threads = "" if latency is None else f" with {latency.threads} threads"
    ran = f"Run here by LiteRT {version('ai-edge-litert')} on the CPU (XNNPACK){threads}"
    not_micro = _not_micro(quantize, sparse, io, ops or {})
    return f"{ran}; {not_micro}. Phones, GPU and NPU delegates were not measured."


def _listed(names: tuple[str, ...]) -> str:
    return f"[{', '.join(names)}]"


def _not_micro(quantize: str, sparse: bool, io: str, ops: Mapping[str, int]) -> str:
    if sparse or "DENSIFY" in ops:
        return "not for TensorFlow Lite Micro, which cannot unfold sparse kernels (DENSIFY)"
    if quantize in ("float16", "dynamic"):
        return "not for TensorFlow Lite Micro, which has no kernels of mixed types"
    if quantize == "int8" and io == "float":
        return "microcontrollers without floats need int8 input and output"
    return "TensorFlow Lite Micro was not measured"


def load_lines(
    to: str, name: str, *, inputs: tuple[str, ...], pixels: bool = False
) -> dict[str, str]:
    """Code that loads the file and runs it once, by language; ``name`` is the file's own name.

    Parameters
    ----------
    to
        The format.
    name
        Name of the file or folder, as the code shall call it.
    inputs
        Names of the inputs in the signature, in order.
    pixels
        Whether a SavedModel has the signature that prepares raw pixels itself.
    """
    arguments = ", ".join(f"{n}={n}" for n in inputs)
    if to == "savedmodel":
        raw = 'outputs = model.signatures["serving_pixels"](pixels=pixels)  # raw pixels\n'
        return {
            "python": (
                "import tensorflow as tf\n"
                f'model = tf.saved_model.load("{name}")\n'
                f'outputs = model.signatures["serving_default"]({arguments})\n'
                + (raw if pixels and len(inputs) == 1 else "")
            )
        }
    if to in ("keras", "h5"):
        return {
            "python": (
                "import keras\n"
                f'model = keras.saving.load_model("{name}", compile=False)\n'
                f"outputs = model({inputs[0] if len(inputs) == 1 else _listed(inputs)})\n"
            )
        }
    kotlin = (
        f'val interpreter = Interpreter(FileUtil.loadMappedFile(context, "{name}"))\n'
        "interpreter.run(input, output)\n"
    )
    if len(inputs) > 1:
        kotlin = kotlin.replace(
            "interpreter.run(input, output)",
            "interpreter.runForMultipleInputsOutputs(arrayOf("
            + ", ".join(inputs)
            + "), mapOf(0 to output))",
        )
    return {
        "python": (
            "from ai_edge_litert.interpreter import Interpreter\n"
            f'run = Interpreter("{name}").get_signature_runner("serving_default")\n'
            f"outputs = run({arguments})\n"
        ),
        "kotlin": kotlin,
        "benchmark": (
            f"adb push {name} /data/local/tmp/\n"
            "adb shell /data/local/tmp/benchmark_model "
            f"--graph=/data/local/tmp/{name} --num_threads=2 --num_runs=50\n"
        ),
    }
