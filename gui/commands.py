"""Work done by the command line in a child process: evaluate, preflight, export, report, compare.

Owns the command lines and how their one JSON object is read, whatever the exit code. What the
window does this way has the same result as in a terminal. Blocks: call it in :mod:`gui.tasks`.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine import jsonio
from engine.childproc import child_environment, outcome_of, python_command
from engine.errors import EngineFailure, ErrorInfo
from engine.job import DataSpec, Quantize
from gui.facts import ModelFacts

ExportKind = Literal["tflite", "savedmodel", "keras", "h5"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to save and where. ``source`` is a run folder or a model file."""

    source: Path
    to: ExportKind
    out: Path
    quantize: Quantize = "none"
    sparse: bool = False
    io: str = "float"
    cluster: int | None = None
    data: DataSpec | None = None
    force: bool = False
    weights: str | None = None
    custom: str | None = None
    input_shape: tuple[int, ...] | None = None


def evaluate_command(model: ModelFacts, data: DataSpec, metric: str | None) -> list[str]:
    """``secateur evaluate`` on the search split."""
    command = python_command("engine.cli", "evaluate", model.path, *_data_arguments(data))
    command += ["--split", "search", "--json", *_model_arguments(model.weights, model.custom)]
    return command if metric is None else [*command, "--metric", metric]


def export_command(request: ExportRequest) -> list[str]:
    """``secateur export``."""
    command = python_command("engine.cli", "export", str(request.source))
    command += ["--to", request.to, "-o", str(request.out), "--json"]
    command += _model_arguments(request.weights, request.custom)
    command += _shape_arguments(request.input_shape)
    if request.quantize != "none":
        command += ["--quantize", request.quantize]
    if request.sparse:
        command += ["--sparse"]
    if request.io != "float":
        command += ["--io", request.io]
    if request.cluster is not None:
        command += ["--cluster", str(request.cluster)]
    if request.data is not None:
        command += ["--data", request.data.source]
    return [*command, "--force"] if request.force else command


def gain_command(model: ModelFacts) -> list[str]:
    """``secateur preflight``."""
    command = python_command("engine.cli", "preflight", model.path, "--json")
    command += _model_arguments(model.weights, model.custom)
    return command + _shape_arguments(model.input_shape)


def template_command(out: Path) -> list[str]:
    """``secateur template data``; the save dialog has asked whether to replace a file."""
    return python_command("engine.cli", "template", "data", "-o", str(out), "--force", "--json")


def report_command(run: Path) -> list[str]:
    """``secateur report``."""
    return python_command("engine.cli", "report", str(run), "--json")


def slim_command(
    model: ModelFacts, out: Path, keep: Mapping[str, float], sparsity: Mapping[str, float]
) -> list[str]:
    """``secateur slim`` by group and layer; the plan goes beside the file. It replaces both."""
    command = python_command("engine.cli", "slim", model.path, "-o", str(out), "--json", "--force")
    command += ["--keep", "1.0", "--save-plan", str(plan_place(out))]
    for group, share in keep.items():
        command += ["--keep", f"{group}={share:g}"]
    for layer, share in sparsity.items():
        command += ["--sparsity", f"{layer}={share:g}"]
    return [*command, *_model_arguments(model.weights, model.custom)]


def plan_place(out: Path) -> Path:
    """Where the plan of a model that was shrunk by hand goes."""
    return out.with_suffix(".plan.json")


def compare_command(run: Path, trial: int) -> list[str]:
    """``secateur compare``."""
    return python_command("engine.cli", "compare", str(run), "--trial", str(trial), "--json")


class JsonCommand:
    """A command that prints one JSON object; it can be ended from another thread.

    Parameters
    ----------
    arguments
        The command line.
    timeout_s
        Wall seconds after which it is ended.
    """

    def __init__(self, arguments: list[str], *, timeout_s: float) -> None:
        self.arguments = arguments
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    def kill(self) -> None:
        """End it, or keep it from starting."""
        with self._lock:
            self._killed = True
            if self._process is not None and self._process.poll() is None:
                self._process.kill()

    def run(self) -> dict[str, Any]:
        """Run it and return its object.

        Raises
        ------
        SecateurError
            The error that the command told, or :class:`EngineFailure` where it told none; where a
            file of custom layers has changed since it was allowed, too.
        """
        if "--custom" in self.arguments:
            from engine.modelfile.consent import require_allowed  # numpy comes with it

            require_allowed(Path(self.arguments[self.arguments.index("--custom") + 1]))
        with self._lock:
            if self._killed:
                raise EngineFailure("child.ended", f"It was ended: {_verb(self.arguments)}.")
            process = self._process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=child_environment(),
            )
        with process:
            try:
                stdout, stderr = process.communicate(timeout=self._timeout_s)
            except subprocess.TimeoutExpired as error:
                process.kill()
                process.communicate()
                raise EngineFailure(
                    "child.timeout",
                    f"The command did not finish within {self._timeout_s:.0f} s:"
                    f" {_verb(self.arguments)}.",
                    "Try again, or run it in a terminal to watch it.",
                ) from error
        return _answer(self.arguments, process.returncode, stdout, stderr)


def _answer(arguments: list[str], returncode: int, stdout: bytes, stderr: bytes) -> dict[str, Any]:
    """The object that was printed; the error in it is raised."""
    try:
        answer = jsonio.loads(stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        outcome = outcome_of(returncode, stderr)
        last = outcome.stderr_tail.strip().splitlines()[-1:] or ["no message"]
        raise EngineFailure(
            "child.died",
            f"The command {outcome.describe()} without an answer: {_verb(arguments)}: {last[0]}",
            "Run it again; if it happens again, run it in a terminal to see its messages.",
        )
    error_data = answer.get("error")
    if isinstance(error_data, dict):
        info = {"kind": "EngineFailure" if returncode == 5 else "UserError", **error_data}
        raise jsonio.from_plain(info, ErrorInfo).to_exception()
    return answer


def _shape_arguments(shape: tuple[int, ...] | None) -> list[str]:
    return [] if shape is None else ["--input-shape", ",".join(map(str, shape))]


def _model_arguments(weights: str | None, custom: str | None) -> list[str]:
    named = (("--weights", weights), ("--custom", custom))
    return [word for option, path in named if path is not None for word in (option, path)]


def _data_arguments(data: DataSpec) -> list[str]:
    arguments = ["--data", data.source]
    if data.test is not None:
        arguments += ["--test", data.test]
    if data.preprocess != "auto":
        arguments += ["--preprocess", data.preprocess]
    if data.seen != "unknown":
        arguments += ["--seen", data.seen]
    if data.group_by is not None:
        arguments += ["--group-by", data.group_by]
    if data.ignore_label is not None:
        arguments += ["--ignore-label", str(data.ignore_label)]
    if data.label_order != "given":
        arguments += ["--label-order", data.label_order]
    return arguments


def _verb(command: list[str]) -> str:
    return f"secateur {command[4]}" if len(command) > 4 else " ".join(command)
