"""Whether a Python file of custom layers may run: the user's consent, remembered by its hash.

Owns the question and the answer for this kind of file; the list is that of data scripts
(:mod:`engine.data.trust`). Naming the file on the command line, or allowing it in the window's
dialog, is consent; finding its path in a run folder is not.
"""

from __future__ import annotations

from pathlib import Path

from engine.errors import UserError


def allow(path: Path) -> None:
    """Remember that this file, as it is now, may run.

    Raises
    ------
    UserError
        Where there is no such file.
    """
    from engine.data.trust import trust

    _check(path)
    trust(path)


def is_allowed(path: Path) -> bool:
    """Whether this file, as it is now, may run."""
    from engine.data.trust import require_trust

    try:
        require_trust(path)
    except UserError:
        return False
    return True


def require_allowed(path: Path) -> str:
    """SHA-256 of a file that may run.

    Raises
    ------
    UserError
        ``custom.untrusted`` where nobody has allowed it in its present form.
    """
    from engine.data.trust import require_trust

    _check(path)
    if not is_allowed(path):
        raise UserError(
            "custom.untrusted",
            "A file of custom layers is code, and this one was never allowed as it is now: "
            f"{path}.",
            "Read it, then name it yourself with --custom, or open the model in the window.",
        )
    return require_trust(path)


def _check(path: Path) -> None:
    if not path.is_file():
        raise UserError(
            "model.not_found",
            f"There is no file of custom layers at this path: {path}.",
            "Check the path, or name the file again with --custom.",
        )
