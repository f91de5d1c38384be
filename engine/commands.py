"""One function a command: from parsed arguments to an exit code.

Owns what is printed for people and for ``--json``; :mod:`engine.api` does the work.
"""

from __future__ import annotations

import argparse
import csv
import math
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.table import Table

from engine import api, jsonio, runs
from engine.cli import write_json
from engine.comparison import Comparison
from engine.errors import EXIT_DONE, EXIT_NOT_MET, EXIT_STOPPED
from engine.job import Budget, DataSpec, Goal, Job
from engine.telling.changes import changes_lines, changes_table
from engine.telling.exports import export_lines
from engine.telling.gain import gain_lines, gain_table
from engine.telling.units import is_error, metric_name, metric_value, plural, rough
from engine.terminal import SearchView, duration, figure, percent, plain, size

if TYPE_CHECKING:
    from engine.supervise import EngineProcess

DEMO_TOLERANCE = 0.02
EXIT_OF_STATUS = {"met": EXIT_DONE, "not_met": EXIT_NOT_MET, "stopped": EXIT_STOPPED}


def inspect(options: argparse.Namespace) -> int:
    """``secateur inspect``."""
    answer = api.inspect(
        options.model, input_shape=options.input_shape, weights=options.weights,
        custom=options.custom,
    )  # fmt: skip
    if options.json:
        write_json(answer)
        return EXIT_DONE
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("layer", "class", "output", "params", "MACs", "zeros", "group", "why not"):
        right = name in ("params", "MACs", "zeros")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in answer["layers"]:
        table.add_row(
            row["name"], row["class"], _shape(row["output_shape"]), f"{row['params']:,}",
            "-" if row["macs"] is None else f"{row['macs']:,}",
            "-" if row["zeros"] is None else f"{row['zeros']:,}",
            row["group"] or "", row["reason"] or "",
        )  # fmt: skip
    plain().print(table)
    macs = "unknown" if answer["macs"] is None else f"{answer['macs']:,}"
    _say(f"{answer['params']:,} parameters, {macs} MACs a sample")
    if answer["tensors"]:
        _say(_tensors(answer["tensors"]))
    if answer["compile"]:
        told = answer["compile"]
        rate = "" if told["learning_rate"] is None else f" at {told['learning_rate']:g}"
        parts = [f"{told['optimizer']}{rate}", *told["loss"], *told["metrics"]]
        _say(f"compiled with {', '.join(parts)}")
    for warning in answer["warnings"]:
        _say(f"note: {warning}")
    return EXIT_DONE


def slim(options: argparse.Namespace) -> int:
    """``secateur slim``."""
    answer = api.slim(
        options.model, options.out, keep=dict(options.keep) or None, plan=options.plan,
        sparsity=dict(options.sparsity) or None, floors=dict(options.floor),
        criterion=_criterion(options.criterion), across=options.across, exclude=options.exclude,
        through_norms=options.through_norms, round_to=options.round_to, seed=options.seed,
        save_plan=options.save_plan, force=options.force,
        weights=options.weights, custom=_allowed(options.custom),
    )  # fmt: skip
    if options.json:
        write_json(answer)
        return EXIT_DONE
    _say(
        f"{answer['params_before']:,} -> {answer['params_after']:,} parameters"
        f" ({answer['nonzero_after']:,} of them not zero),"
        f" {answer['macs_before']:,} -> {answer['macs_after']:,} MACs;"
        f" {answer['groups_cut']} groups cut, {answer['pinned']} pinned;"
        f" equal to its reference within {answer['rel_diff']:.1e} of the output's deviation."
    )
    _say(f"Saved {options.out}. Its accuracy was not measured.")
    return EXIT_DONE


def evaluate(options: argparse.Namespace) -> int:
    """``secateur evaluate``."""
    answer = api.evaluate(
        options.model, _given(options.data), split=options.split,
        test=None if options.test is None else _given(options.test),
        metric=options.metric, preprocess=options.preprocess, seen=options.seen,
        group_by=options.group_by, ignore_label=options.ignore_label,
        label_order=options.label_order, preview=options.preview,
        weights=options.weights, custom=_allowed(options.custom),
    )  # fmt: skip
    if options.json:
        write_json(answer)
        return EXIT_DONE
    values = (answer["value"], *answer["interval"])
    value, low, high = (figure(v, answer["metric"]) for v in values)
    _say(
        f"{metric_name(answer['metric'])} {value} (95 %: {low} to {high})"
        f" on {answer['samples']:,} samples; preprocessing {answer['preprocess']}."
    )
    others = {name: v for name, v in answer["metrics"].items() if name != answer["metric"]}
    if others:
        said = (f"{metric_name(k)} {metric_value(v, k)}" for k, v in others.items())
        _say(f"beside it: {', '.join(said)}")
    for note in answer["notes"]:
        _say(f"note: {note}")
    if answer["seen"] != "no":
        _say("note: these may be images the model was trained on.")
    return EXIT_DONE


def prune(options: argparse.Namespace) -> int:
    """``secateur prune``."""
    job = Job(
        model=str(Path(options.model).resolve()),
        weights=None if options.weights is None else str(Path(options.weights).resolve()),
        custom=_allowed(options.custom),
        data=DataSpec(
            source=_given(options.data), test=None if options.test is None else
            _given(options.test), preprocess=options.preprocess, seen=options.seen,
            group_by=options.group_by, ignore_label=options.ignore_label,
            label_order=options.label_order, augment=options.augment,
            class_weight=options.class_weight,
        ),
        goal=Goal(metric=options.metric, target=options.target, tolerance=options.tolerance,
                  minimise=options.minimise),
        budget=Budget(epochs=options.epochs, max_trials=options.max_trials, time_s=options.time),
        strategy=options.strategy, criterion=_criterion(options.criterion),
        quantize=options.quantize, round_to=options.round_to,
        through_norms=options.through_norms, exclude=tuple(options.exclude),
        floors=dict(options.floor),
        allocation=options.allocation, sparse_for=options.sparse_for,
        importance_init=options.importance_init,
        l1_epochs=options.l1_epochs, batch_size=options.batch_size, seed=options.seed,
    )  # fmt: skip
    return _search(options, job, options.out)


def demo(options: argparse.Namespace) -> int:
    """``secateur demo``."""
    from engine.data.sample import sample_model_path

    job = Job(
        model=str(sample_model_path()),
        data=DataSpec(source="digits", seen="no"),
        goal=Goal(tolerance=DEMO_TOLERANCE),
    )
    if not options.json:
        _say(
            "The main job on scikit-learn's handwritten digits with the sample model. Its report"
            " split holds some hundreds of images, which cannot carry a tolerance below about"
            f" {100 * DEMO_TOLERANCE:.0f} points."
        )
    return _search(options, job, options.out)


def resume(options: argparse.Namespace) -> int:
    """``secateur resume``."""
    with SearchView(plain(stderr=True)) as view, _interruptible() as on_start:
        result = api.resume(
            options.run, target=options.target, tolerance=options.tolerance,
            max_trials=options.max_trials, on_event=view, on_start=on_start,
        )  # fmt: skip
    return _finish(options, result)


def export(options: argparse.Namespace) -> int:
    """``secateur export``."""
    data = None if options.data is None else _given(options.data)
    answer = api.export(
        options.source, options.to, options.out, quantize=options.quantize,
        sparse=options.sparse, io=options.io, cluster=options.cluster, data=data,
        input_shape=options.input_shape, force=options.force,
        weights=options.weights, custom=_allowed(options.custom),
    )  # fmt: skip
    if options.json:
        write_json(answer)
    else:
        for line in export_lines(answer):
            _say(line)
    return EXIT_DONE


def preflight(options: argparse.Namespace) -> int:
    """``secateur preflight``."""
    answer = api.measure_gain(
        options.model, input_shape=options.input_shape, weights=options.weights,
        custom=_allowed(options.custom),
    )  # fmt: skip
    if options.json:
        write_json(answer)
        return EXIT_DONE
    for line in gain_lines(answer):
        _say(line)
    _print_table(*gain_table(answer))
    return EXIT_DONE


def report(options: argparse.Namespace) -> int:
    """``secateur report``."""
    answer = api.report(options.run, options.out, force=options.force)
    if options.json:
        write_json(answer)
    else:
        _say(f"Wrote {answer['path']} ({size(answer['bytes'])}), complete in itself.")
    return EXIT_DONE


def compare(options: argparse.Namespace) -> int:
    """``secateur compare``."""
    answer = api.compare(options.run, trial=options.trial, again=options.again)
    if options.json:
        write_json(answer)
        return EXIT_DONE
    found = jsonio.from_plain({k: v for k, v in answer.items() if k != "path"}, Comparison)
    for line in changes_lines(found):
        _say(line)
    if found.classes:
        _print_table(*changes_table(found))
    _say(f"All of it: {answer['path']}")
    return EXIT_DONE


def list_runs(options: argparse.Namespace) -> int:
    """``secateur runs``."""
    found = runs.list_runs(None if options.base is None else Path(options.base))
    rows = [jsonio.to_plain(row) for row in found]
    if options.json:
        write_json({"schema": 1, "runs": rows})
    elif options.csv:
        fields = list(rows[0]) if rows else list(runs.RunSummary.__dataclass_fields__)
        writer = csv.DictWriter(sys.stdout, fieldnames=fields)
        writer.writeheader()
        writer.writerows(rows)
    elif not rows:
        _say("No runs here yet.")
    else:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in ("run", "model", "status", "before", "after", "nonzero"):
            table.add_column(name)
        for row in found:
            table.add_row(
                row.name, row.model, row.status.replace("_", " "),
                figure(row.baseline, row.metric), figure(row.value, row.metric),
                "-" if row.nonzero_after is None else f"{row.nonzero_after:,}",
            )  # fmt: skip
        plain().print(table)
    return EXIT_DONE


def _search(options: argparse.Namespace, job: Job, out: str | None) -> int:
    with SearchView(plain(stderr=True)) as view, _interruptible() as on_start:
        result = api.prune(job, out, on_event=view, on_start=on_start)
    return _finish(options, result)


def _finish(options: argparse.Namespace, result: dict[str, Any]) -> int:
    code = EXIT_OF_STATUS[result["status"]]
    if options.json:
        write_json(result)
        return code
    before, after = result["baseline"], result["final"]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("", "before", "after", ""):
        table.add_column(name, justify="right" if name else "left")
    for name, key in (("parameters", "params"), ("nonzero", "nonzero"), ("MACs", "macs")):
        table.add_row(
            name, _count(before[key]), _count(after[key]), _times(before[key], after[key])
        )
    for name, key in (("TFLite file", "tflite"), ("as gzip", "tflite_gzip")):
        old, new = before["bytes"][key], after["bytes"][key]
        table.add_row(name, size(old), size(new), _times(old, new))
    for split in ("search", "report"):
        old, new = (figure(side[split], result["metric"]) for side in (before, after))
        table.add_row(f"{split} split", old, new, "")
    for name, old in (before["metrics"] or {}).items():
        if name != result["metric"] and name in after["metrics"]:
            new = after["metrics"][name]
            table.add_row(
                f"  {metric_name(name)}", metric_value(old, name), metric_value(new, name), ""
            )
    plain().print(table)
    for line in _closing(result):
        _say(line)
    return code


def _closing(result: dict[str, Any]) -> Iterator[str]:
    metric = metric_name(result["metric"])
    floor = figure(result["report_floor"] or result["floor"], result["metric"])
    within, beyond = ("below", "above") if is_error(result["metric"]) else ("above", "below")
    if result["status"] == "met":
        yield f"Met: {metric} on the report split is at or {within} {floor}."
    elif result["status"] == "not_met":
        if any(trial["accepted"] for trial in result["trials"]):
            yield f"Not met: {metric} on the report split is {beyond} {floor}."
        else:
            yield f"Not met: no model holds {metric} at {floor}; the nearest is kept."
    else:
        yield "Stopped: the best so far is kept; 'secateur resume' goes on."
    needed = result["samples_needed"]
    more = "" if needed is None else f" About {rough(needed):,} report samples would do."
    if result["status"] == "met" and not result["confirmed"]:
        yield f"The one-sided 95 % bound does not confirm it yet.{more}"
    elif result["status"] == "not_met" and more:
        yield f"The report split cannot tell so small a drop.{more}"
    cost, probes = result["cost"], sum(not trial["judged"] for trial in result["trials"])
    yield (
        f"Cost: {plural(cost['fine_tunes'], 'fine-tune')}, {plural(cost['epochs'], 'epoch')},"
        f" {plural(probes, 'probe')}, {duration(cost['seconds'])}."
    )
    for saved in result["exports"]:
        yield f"Checked file: {saved['path']} ({size(saved['bytes'])})"
    yield f"Run folder: {result['run']}"


@contextmanager
def _interruptible() -> Iterator[Any]:
    """Turn the first Ctrl+C into a stop that keeps the best, a second one into the end.

    Before there is an engine, the first one is the end.
    """
    held: list[EngineProcess] = []
    asked = 0

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if not held:
            raise KeyboardInterrupt
        for process in held:
            if asked == 1:
                sys.stderr.write("\nStopping, the best so far is kept. Ctrl+C again ends it now.\n")
                process.send("stop")
            else:
                process.kill()

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield held.append
    finally:
        signal.signal(signal.SIGINT, before)


def diagnostics(options: argparse.Namespace) -> int:
    """``secateur diagnostics``."""
    from engine.diagnostics import diagnostics as collected

    text = collected(None if options.run is None else Path(options.run))
    if options.json:
        write_json({"schema": 1, "text": text})
    else:
        sys.stdout.write(text)
    return EXIT_DONE


def template(options: argparse.Namespace) -> int:
    """``secateur template``."""
    from engine.data.template import DATA_SCRIPT

    api.check_free(Path(options.out), force=options.force)
    jsonio.write_atomic(Path(options.out), DATA_SCRIPT.encode())
    if options.json:
        write_json({"schema": 1, "path": options.out})
    else:
        _say(f"Wrote {options.out}. Fill it in, then give it as --data {options.out}.")
    return EXIT_DONE


def _given(source: str) -> str:
    """A source that was typed: its whole path; a script that was typed may run from now on."""
    if source == "digits":
        return source
    path = Path(source).resolve()
    if path.suffix == ".py":
        from engine.data.trust import trust

        trust(path)
    return str(path)


def _criterion(text: str) -> str:
    """A criterion that was typed; a person's own file that was typed may run from now on."""
    file, colon, function = text.rpartition(":")
    return f"{_given(file)}:{function}" if colon and file.endswith(".py") else text


def _allowed(custom: str | None) -> str | None:
    """A file of custom layers that was typed: its whole path; it may run from now on."""
    if custom is None:
        return None
    from engine.modelfile.consent import allow

    path = Path(custom).resolve()
    allow(path)
    return str(path)


def _say(text: str) -> None:
    plain().print(text, soft_wrap=True)


def _print_table(head: Sequence[str], *rows: Sequence[str]) -> None:
    """A table of figures, the first column of which says whose."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for index, name in enumerate(head):
        table.add_column(name, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    plain().print(table)


def _shape(shape: Any) -> str:
    if shape is None:
        return "unknown"
    if shape and isinstance(shape[0], list):
        return " ".join(_shape(s) for s in shape)
    return "x".join("?" if n is None else str(n) for n in shape)


def _tensors(tensors: list[dict[str, Any]]) -> str:
    """The constant tensors of a TensorFlow Lite file in one line."""
    known = [t for t in tensors if t["zeros"] is not None]
    total = sum(math.prod(t["shape"]) for t in known)
    zeros = sum(t["zeros"] for t in known)
    sparse = sum(t["sparse"] for t in tensors)
    share = "" if not total else f", {percent(zeros / total)} of their values zero"
    stored = sum(t["bytes"] for t in tensors)
    return f"{len(tensors)} constant tensors in {size(stored)}{share}; {sparse} sparsely encoded"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _times(before: float | None, after: float | None) -> str:
    return "" if not before or not after else f"{before / after:.1f}x smaller"
