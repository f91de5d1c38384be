"""The report of a run: one HTML file that needs nothing else, and the same as JSON.

Owns how facts and pictures become a page. Templates escape whatever they are given; the page has
no script and loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from engine import __version__, jsonio
from engine.errors import UserError
from engine.report import facts, files
from engine.report.pictures import cloud_svg, strip_svg
from engine.report.result import result_of
from engine.runs import REPORT, RunFolder, is_locked
from engine.telling import sentences
from engine.telling.cloud import measures
from engine.telling.record import Record, record_of

SCHEMA = 1


def write_report(folder: RunFolder, out: Path | None = None) -> dict[str, Any]:
    """Write the report of a run as HTML; what it says, as plain data.

    Parameters
    ----------
    folder
        The run, at its end or not.
    out
        The file; by default ``report.html`` in the run folder. It is replaced whole.

    Raises
    ------
    UserError
        ``report.nothing`` where the run has not begun.
    """
    record = record_of(folder.events())
    data = report_data(record, folder.noted_exports(), name=folder.path.name)
    if record.state.live and not is_locked(folder.path):
        data["status"] = sentences.STATUSES["interrupted"]
    place = folder.path / REPORT if out is None else out
    page = report_page(record, data)
    folder.save_whole(str(place.absolute()), lambda path: _write(path, page))
    return data


def report_data(
    record: Record, later: Sequence[dict[str, Any]] = (), *, name: str = ""
) -> dict[str, Any]:
    """What a report says, as plain data: the result, the sentences and the tables.

    Parameters
    ----------
    record
        The run.
    later
        Exports made after it ended.
    name
        Of the run folder, for the sentence of an error.

    Raises
    ------
    UserError
        ``report.nothing`` where the run has not begun.
    """
    state, job = record.state, record.state.job
    if job is None:
        raise UserError(
            "report.nothing",
            f"This run has not begun, there is nothing to report: {name}.",
            "Start it with 'secateur resume'.",
        )
    exports = files.newest_exports([*(e.result for e in state.exports), *later])
    return {
        "schema": SCHEMA,
        "title": sentences.headline(state),
        "status": sentences.status(state),
        "goal": facts.goal_words(job, state),
        "asked": dict(facts.goal_pairs(job)),
        "numbers": dict(facts.headline_numbers(state)),
        "verdict": facts.verdict(state),
        "before_after": jsonio.to_plain(facts.before_after(state)),
        "accuracy": jsonio.to_plain(facts.accuracy(state)),
        "beside": jsonio.to_plain(facts.beside(state)),
        "exports": jsonio.to_plain(files.export_table(exports)),
        "export_lines": dict(files.export_lines(exports)),
        "decisions": [d.text for d in facts.decisions(record)],
        "layers": jsonio.to_plain(facts.layer_table(state)),
        "provenance": dict(facts.provenance(job, state)),
        "notes": list(facts.data_notes(state)),
        "measured": dict(facts.measured(state)),
        "result": {**result_of(state), "exports": list(exports)},
    }


def report_page(record: Record, data: dict[str, Any]) -> str:
    """The page of a report.

    Parameters
    ----------
    record
        The run.
    data
        Of :func:`report_data`.
    """
    state = record.state
    measure = measures(state)[0]
    # "<" would end the block of data; in JSON strings it may be written as an escape
    embedded = jsonio.dumps(data).decode().replace("<", "\\u003c")
    return _template().render(
        data=data,
        good=state.status == "met",
        # ElementTree has escaped what is in the pictures
        strip=Markup(strip_svg(state.layers)),
        cloud=Markup(cloud_svg(state, measure)),
        decisions=facts.decisions(record),
        embedded=Markup(embedded),
        version=__version__,
    )


def _write(path: Path, page: str) -> None:
    path.write_text(page, encoding="utf-8")


@cache
def _template() -> Template:
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html")
