"""Which data scripts may run: those that a person has given by hand, known by their hash.

A data script is code. Typing its path is consent; finding its path in a run folder is not. Owns the
list of consents, one ``sha256 path`` a line, in the user's configuration folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine import jsonio
from engine.data.hashing import file_sha256
from engine.errors import UserError


def trust(script: Path) -> None:
    """Remember that this script, as it is now, may run.

    Raises
    ------
    UserError
        ``data.not_found`` where there is no such file.
    """
    digest = _digest(script)
    known = _known()
    if digest not in known:
        store = _store()
        store.parent.mkdir(parents=True, exist_ok=True)
        lines = [*known.values(), f"{digest} {script.resolve()}"]
        jsonio.write_atomic(store, ("\n".join(lines) + "\n").encode())


def require_trust(script: Path, *, once: str = "secateur evaluate MODEL --data SCRIPT") -> str:
    """SHA-256 of a script that may run; ``once`` is the command that allows it.

    Raises
    ------
    UserError
        ``data.script_untrusted`` where nobody has allowed it in its present form.
    """
    digest = _digest(script)
    if digest in _known():
        return digest
    raise UserError(
        "data.script_untrusted",
        f"A script is code, and this one was never given by hand as it is now: {script}.",
        f"Read it, then run '{once}' with it once.",
    )


def _digest(script: Path) -> str:
    if not script.is_file():
        raise UserError(
            "data.not_found", f"There is no script at this path: {script}.", "Check the path."
        )
    return file_sha256(script)


def _store() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return (Path(base) if base else Path.home() / ".config") / "secateur" / "trusted-scripts.txt"


def _known() -> dict[str, str]:
    """Lines of the list by their hash."""
    try:
        lines = _store().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {line.split(" ", 1)[0]: line for line in lines if line}
