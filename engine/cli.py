"""The ``secateur`` command: what the words on the command line mean.

Owns arguments, exit codes and what goes to stdout; :mod:`engine.api` does the work. Window and
engine process are started by name, never by an import. With ``--json`` stdout holds one JSON object
and nothing else, whatever the exit code.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

from engine import __version__, jsonio
from engine.childmain import die_with_parent
from engine.childproc import PARENT
from engine.errors import EXIT_DONE, EXIT_FAILED, SecateurError, UserError
from engine.job import (
    INPUT_TYPES,
    Allocation,
    ClassWeight,
    ImportanceInit,
    Minimise,
    Quantize,
    Seen,
    SparseFor,
    Strategy,
)

COMMANDS = (
    "inspect", "preflight", "slim", "evaluate", "prune", "export", "resume", "report", "compare",
    "runs", "demo", "template", "diagnostics",
)  # fmt: skip
FUNCTIONS = {"runs": "list_runs"}


class Parser(argparse.ArgumentParser):
    """A parser that reports wrong usage as one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UserError("usage", f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script; exits with the code that the README lists.

    Where the window started it, it ends with the window.
    """
    if os.environ.get(PARENT) == str(os.getppid()):
        die_with_parent()
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(open_window(words) if names_model(words) else run(words))


def names_model(words: Sequence[str]) -> bool:
    """Whether the words ask for the window: none at all, or a model instead of a command."""
    if not words:
        return True
    first = words[0]
    if first in COMMANDS or first.startswith("-"):
        return False
    return Path(first).exists() or bool(Path(first).suffix)


def open_window(words: list[str]) -> int:
    """Open the window, on a model where one is named."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in screens):
        error = UserError(
            "window.no_screen",
            "The window needs a screen, and there is none here (DISPLAY is not set).",
            "The command line does the same work: see secateur --help.",
        )
        sys.stderr.write(f"secateur: {error}\n")
        return error.exit_code
    code = importlib.import_module("gui.app").main(words)
    return int(code)


def run(words: list[str]) -> int:
    """Run one command; the exit code."""
    as_json = "--json" in words
    try:
        options = build_parser().parse_args(words)
        commands = importlib.import_module("engine.commands")
        code: int = getattr(commands, FUNCTIONS.get(options.command, options.command))(options)
        return code
    except SecateurError as error:
        sys.stderr.write(f"secateur: {error}\n")
        if as_json:
            info = error.info()
            body = {"code": info.code, "message": info.message, "hint": info.hint, "log": info.log}
            write_json({"error": body})
        return error.exit_code
    except BrokenPipeError:
        return EXIT_DONE
    except KeyboardInterrupt:
        sys.stderr.write("secateur: Interrupted.\n")
        return EXIT_FAILED


def write_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(jsonio.dumps(value).decode() + "\n")
    sys.stdout.flush()


def share(text: str) -> float:
    """A number in 0..1."""
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise ValueError(text)
    return value


def named_share(text: str) -> tuple[str, float]:
    """A share with whose it is: ``conv1=0.5``; without a name it is everybody's."""
    name, _, number = text.rpartition("=")
    return name or "*", share(number)


def seconds(text: str) -> float:
    """A duration: ``90``, ``90s``, ``50m``, ``1.5h``."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    unit = units.get(text[-1:], 0.0)
    value = float(text[:-1]) * unit if unit else float(text)
    if value <= 0:
        raise ValueError(text)
    return value


def positive(text: str) -> int:
    """A whole number above 0."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def sizes(text: str) -> tuple[int, ...]:
    """Sizes of axes: ``224,224,3``."""
    return tuple(positive(part) for part in text.replace("x", ",").split(","))


def build_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="secateur",
        description="Prune a trained Keras CNN to an accuracy target. Without a command, or with a"
        " model alone, the window opens.",
    )
    parser.add_argument("--version", action="version", version=f"secateur {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    _add_inspect(commands)
    _add_preflight(commands)
    _add_slim(commands)
    _add_evaluate(commands)
    _add_prune(commands)
    _add_export(commands)
    resume = _command(
        commands, "resume",
        "go on with a run that was stopped or that died, or give a finished one a new goal",
    )  # fmt: skip
    resume.add_argument("run", metavar="RUN", help="the run folder")
    resume.add_argument("--target", type=float, help="a new value to keep")
    resume.add_argument("--tolerance", type=float, help="a new tolerance; what is known is used")
    resume.add_argument("--max-trials", type=positive, help="most fine-tunes for the new goal")
    report = _command(commands, "report", "write a run's report as one HTML file")
    report.add_argument("run", metavar="RUN", help="the run folder")
    report.add_argument("-o", "--out", help="the file (default: report.html in the run folder)")
    report.add_argument("--force", action="store_true", help="replace the output")
    compare = _command(
        commands, "compare", "set a run's model beside the one that was opened, class by class"
    )
    compare.add_argument("run", metavar="RUN", help="the run folder")
    compare.add_argument("--trial", type=int, metavar="N", help="a checkpoint (default: the best)")
    compare.add_argument("--again", action="store_true", help="evaluate them anew")
    listing = _command(commands, "runs", "list the runs below a folder")
    listing.add_argument("--base", help="the folder (default: ./secateur-runs)")
    listing.add_argument("--csv", action="store_true", help="as comma-separated values")
    diagnostics = _command(commands, "diagnostics",
                           "print what to send with a report of trouble")  # fmt: skip
    diagnostics.add_argument("run", nargs="?", metavar="RUN", help="a run folder, for its log")
    template = _command(commands, "template", "write a commented data script to start from")
    template.add_argument("what", choices=("data",))
    template.add_argument("-o", "--out", default="data.py", help="the file (default: data.py)")
    template.add_argument("--force", action="store_true", help="replace the output")
    demo = _command(commands, "demo", "the main job on built-in digits, in under three minutes")
    demo.add_argument("--out", metavar="RUN", help="the run folder to make")
    return parser


def _command(commands: Any, name: str, help_: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_, description=f"{help_[:1].upper()}{help_[1:]}."
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _add_model(parser: argparse.ArgumentParser, name: str = "model") -> None:
    parser.add_argument(name, metavar="MODEL" if name == "model" else "MODEL_OR_RUN")
    parser.add_argument("--weights", metavar="FILE",
                        help="weights of a model that is an architecture in JSON")  # fmt: skip
    parser.add_argument("--custom", metavar="FILE.py",
                        help="Python file of its custom layers; run, but for inspect")  # fmt: skip


def _add_inspect(commands: Any) -> None:
    parser = _command(commands, "inspect", "read a model's layers and groups without running it")
    _add_model(parser)
    parser.add_argument("--input-shape", type=sizes, help="for open sizes, such as 224,224,3")


def _add_preflight(commands: Any) -> None:
    parser = _command(commands, "preflight", "measure what pruning can gain, before any search")
    _add_model(parser)
    parser.add_argument("--input-shape", type=sizes, help="for open sizes, such as 224,224,3")


def _add_slim(commands: Any) -> None:
    parser = _command(commands, "slim", "cut every removable group once, without data")
    _add_model(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--keep", type=named_share, action="append", default=[], metavar="[NAME=]R",
                      help="share of channels to keep, 0..1, of all groups or of one (id, layer or"
                      " pattern); may be repeated, the later counts")  # fmt: skip
    what.add_argument("--plan", help="a plan that --save-plan wrote, to apply as it is")
    parser.add_argument("--sparsity", type=named_share, action="append", default=[],
                        metavar="[NAME=]S", help="share of zero weights, 0..1, in all layers or in"
                        " one (name or pattern); may be repeated, the later counts")  # fmt: skip
    parser.add_argument("-o", "--out", required=True, help="the .keras file to write")
    parser.add_argument("--round", type=positive, default=1, dest="round_to", metavar="N",
                        help="round widths to multiples of N")  # fmt: skip
    parser.add_argument("--global", action="store_true", dest="across",
                        help="one threshold over all groups, not one share of each")  # fmt: skip
    parser.add_argument("--save-plan", metavar="FILE", help="write what is kept as JSON")
    _add_choice(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--force", action="store_true", help="replace the output")


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--criterion", default="auto",
                        help="what ranks the channels: auto, gamma, norm, norm-l1, gamma-norm,"
                        " random; with prune also taylor, importance, skeleton, greedy, gate; or"
                        " FILE.py:function")  # fmt: skip
    parser.add_argument("--exclude", action="append", default=[], metavar="NAME",
                        help="leave a layer's channels alone: name, pattern or group; may be"
                        " repeated")  # fmt: skip
    parser.add_argument("--through-norms", action="store_true",
                        help="cut through layer, group and unit norms, which changes their"
                        " statistics")  # fmt: skip

    parser.add_argument("--floor", type=named_share, action="append", default=[], metavar="NAME=R",
                        help="share of its channels that a group keeps in any case, by id, layer or"
                        " pattern; may be repeated")  # fmt: skip


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, help="'digits', a file, a folder or a script")
    parser.add_argument("--test", help="a second source, for search and report")
    parser.add_argument("--metric", help="default: from model and labels")
    parser.add_argument("--preprocess", default="auto",
                        help="auto, or words such as 0-1,bgr,bicubic,crop (README)")  # fmt: skip
    parser.add_argument("--group-by", metavar="PATTERN",
                        help="samples whose names match alike stay in one part")  # fmt: skip
    parser.add_argument("--ignore-label", type=int, metavar="N", help="label that does not count")
    parser.add_argument("--label-order", default="given", metavar="ORDER",
                        help="given, found, or the output for each class: 2,0,1")  # fmt: skip
    parser.add_argument("--seen", choices=get_args(Seen), default="unknown",
                        help="whether the model was trained on these images")  # fmt: skip


def _add_evaluate(commands: Any) -> None:
    parser = _command(commands, "evaluate", "measure a model on a split")
    _add_model(parser)
    _add_data(parser)
    parser.add_argument("--split", choices=("search", "report", "all"), default="all")
    parser.add_argument("--preview", metavar="FOLDER", help="write thumbnails of the data there")


def _add_prune(commands: Any) -> None:
    parser = _command(commands, "prune", "search the smallest model that keeps the metric")
    _add_model(parser)
    _add_data(parser)
    parser.add_argument("--augment", default="auto",
                        help="changes of training images: auto, none, flip,shift")  # fmt: skip
    parser.add_argument("--class-weight", choices=get_args(ClassWeight), default="auto",
                        help="whether the loss counts all classes alike")  # fmt: skip
    parser.add_argument("--target", type=float, help="value to keep (default: the baseline's)")
    parser.add_argument("--tolerance", type=float, default=0.01,
                        help="how far below the target it may end, 0.01 is one point")  # fmt: skip
    parser.add_argument("--minimise", choices=get_args(Minimise), default="size")
    parser.add_argument("--strategy", choices=get_args(Strategy), default="heuristic")
    parser.add_argument("--importance-init", choices=get_args(ImportanceInit), default="ones",
                        help="what the scales of importance weights begin with")  # fmt: skip
    _add_choice(parser)
    parser.add_argument("--allocation", choices=get_args(Allocation), default="sensitivity",
                        help="how a cut is shared out among groups: by probing each, or by one"
                        " threshold")  # fmt: skip
    parser.add_argument("--sparse-for", choices=get_args(SparseFor), default="size",
                        help="zero weights for a smaller file, or only where they can give speed"
                        " on ARM")  # fmt: skip
    parser.add_argument("--quantize", choices=get_args(Quantize), default="none")
    parser.add_argument("--epochs", type=positive, help="of each fine-tune")
    parser.add_argument("--max-trials", type=positive, help="most fine-tunes")
    parser.add_argument("--time", type=seconds, help="most time, such as 50m")
    parser.add_argument("--l1-epochs", type=int, default=0,
                        help="epochs of an L1 phase on BN gamma before the first cut")  # fmt: skip
    parser.add_argument("--batch-size", type=positive)
    parser.add_argument("--round", type=positive, dest="round_to", metavar="N",
                        help="round widths to multiples of N (default: 8 for latency,"
                        " finer where fewer than 32 are left)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", metavar="RUN", help="the run folder to make")


def _add_export(commands: Any) -> None:
    parser = _command(commands, "export", "save a model or a run's model in a checked file")
    _add_model(parser, "source")
    parser.add_argument("--to", required=True, choices=("tflite", "savedmodel", "keras", "h5"))
    parser.add_argument("-o", "--out", required=True)
    parser.add_argument("--quantize", choices=get_args(Quantize), default="none")
    parser.add_argument("--sparse", action="store_true", help="encode zeros in the TFLite file")
    parser.add_argument("--io", choices=INPUT_TYPES, default="float",
                        help="type of input and output of an int8 file")  # fmt: skip
    parser.add_argument("--cluster", type=positive, metavar="N",
                        help="at most N different weights a kernel, such as 32")  # fmt: skip
    parser.add_argument("--data", help="labelled data for calibration and checks")
    parser.add_argument("--input-shape", type=sizes, help="for open sizes, such as 224,224,3")
    parser.add_argument("--force", action="store_true", help="replace the output")


if __name__ == "__main__":
    main()
