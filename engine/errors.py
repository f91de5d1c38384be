"""The tree of errors: the user's, a trial's, and our own.

Owns what an error carries (what, why, what to do) and its exit code. It knows nothing of where
an error is shown. Every message ends with what was received.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_DONE = 0
EXIT_BAD_INPUT = 2
EXIT_NOT_MET = 3
EXIT_STOPPED = 4
EXIT_FAILED = 5


class SecateurError(Exception):
    """An error that Secateur names.

    Parameters
    ----------
    code
        Short stable identifier, for scripts: ``"model.not_found"``.
    message
        One sentence: what is wrong and why, ending with what was received.
    hint
        One sentence: what to do about it.
    """

    exit_code = EXIT_FAILED

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def info(self) -> ErrorInfo:
        """This error as plain data."""
        return ErrorInfo(
            kind=type(self).__name__, code=self.code, message=self.message, hint=self.hint
        )


class UserError(SecateurError):
    """Bad input or usage: shown as one sentence, without a traceback; exit code 2."""

    exit_code = EXIT_BAD_INPUT


class TrialError(SecateurError):
    """A trial went wrong: it is rejected, the search goes on; three in a row end it."""


class EngineFailure(SecateurError):
    """The engine failed, or a promise check did: exit code 5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """An error as plain data, as it travels in pipes, journals and ``--json``."""

    kind: str
    code: str
    message: str
    hint: str = ""
    log: str | None = None

    def to_exception(self) -> SecateurError:
        """The exception that this describes; an unknown kind becomes :class:`EngineFailure`."""
        kinds = {c.__name__: c for c in (UserError, TrialError, EngineFailure)}
        return kinds.get(self.kind, EngineFailure)(self.code, self.message, self.hint)
