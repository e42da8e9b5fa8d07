"""From an error to one line and an exit code."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterator

import click

from kms_core import BackendError, ConfigError, KmsError
from kms_core._causes import ForeignError

_FAILED, _WRONG, _TRY_LATER, _INTERRUPTED = 1, 2, 75, 130  # 75 is EX_TEMPFAIL of sysexits.h
_URI_PARAMETERS = re.compile(r"(\w://[\w.-]*).*", re.DOTALL)


def report(error: Exception, *, debug: bool) -> int:
    """Say on standard error what went wrong, and return the exit code."""
    if isinstance(error, click.Abort):  # Ctrl-C
        return _INTERRUPTED
    message, code = _explain(error)
    if debug:
        click.echo("\n".join(_trace(error)), err=True)
    click.echo(f"kms: error: {one_line(message)}", err=True)
    if isinstance(error, OSError):
        _discard_output()
    return code


def one_line(message: str) -> str:
    """The message without line breaks."""
    return " ".join(message.split())


def _explain(error: Exception) -> tuple[str, int]:
    if isinstance(error, click.ClickException):
        return _explain_usage(error), _WRONG
    if isinstance(error, KmsError):
        return str(error), _code(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'standard output'}: {error.strerror}", _FAILED
    return (
        f"unexpected {type(error).__name__}; run it again with --debug, and report what that shows"
    ), _FAILED


def _code(error: KmsError) -> int:
    if error.retryable:
        return _TRY_LATER
    return _WRONG if isinstance(error, (ConfigError, BackendError)) else _FAILED


def _explain_usage(error: click.ClickException) -> str:
    # click repeats what it does not understand, which may be a URI that lost its option.
    message = _URI_PARAMETERS.sub(r"\1…", error.format_message()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}; see `{context.command_path if context else 'kms'} --help`"


def _trace(error: BaseException) -> Iterator[str]:
    """The frames of the error and of its causes, without locals.

    Only messages of our own errors are written to hold no secret, so others show their class.
    """
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _trace(cause)
        yield "which led to"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    if isinstance(error, ForeignError):  # it says the class of what it stands for
        yield str(error)
    else:
        yield type(error).__name__ + (f": {error}" if isinstance(error, KmsError) else "")


def _discard_output() -> None:
    """Keep the interpreter from writing once more, at its end, what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
