"""Which Python files a job would run: a data script, a criterion of one's own.

Owns what counts as such a file. Whether one may run is :mod:`engine.modelfile.consent`'s memory;
who asks is the window.
"""

from __future__ import annotations

from pathlib import Path

from engine.job import Job


def code_to_allow(job: Job) -> Path | None:
    """The first Python file of a job that nobody has allowed in its present form."""
    named = [job.data.source, job.data.test or "", job.criterion.rpartition(":")[0]]
    files = [Path(name) for name in named if name.endswith(".py")]
    if not files:
        return None
    from engine.modelfile.consent import is_allowed  # numpy comes with it

    return next((file for file in files if file.is_file() and not is_allowed(file)), None)
