"""Adds a version to the key file of ``kms://local``."""

from __future__ import annotations

import os
import re
import secrets
import tomllib
from base64 import b64encode
from pathlib import Path

from kms_core import AccessDeniedError, ConfigError
from kms_core.builtin.file.disk import (
    lock_named,
    publish_over,
    translate_os_errors,
    write_temporary,
)
from kms_core.builtin.local.key_file import KEY_SIZE, KeyFile, parse_document, read_key_file


def rotate_key_file(path: Path) -> KeyFile:
    """Add a version to the key file, with a fresh key from the operating system's random source.

    At every moment, and after a power failure, the whole file is there, as it was or with the new
    version. Its comments, mode and owner stay. Of two who do this at once, one waits.

    Returns:
        What the key file holds now.

    Raises:
        KekNotFoundError: there is no such file.
        AccessDeniedError: it may not be replaced, or others may read or change it.
        ConfigError: it is not a key file, or its keys do not stand each on a line.
        OperationError: the file system failed.
    """
    read_key_file(path)  # says best what is wrong with it
    path = path.resolve()  # a link to it stays one
    with translate_os_errors(), lock_named(path):
        _check_owner(path)
        before = read_key_file(path)
        version, key = str(int(before.newest) + 1), secrets.token_bytes(KEY_SIZE)
        after = KeyFile(before.kek_id, {**before.keys, version: key})
        data = _add_line(path, before.newest, after)
        temporary = write_temporary(path.parent, data, like=path)
        try:
            read_key_file(temporary)
            publish_over(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return after


def _check_owner(path: Path) -> None:
    owner = path.stat().st_uid
    if os.geteuid() not in {owner, 0}:
        raise AccessDeniedError(
            f"key file {str(path)!r} belongs to user {owner}; rotate it as that user"
        )


def _add_line(path: Path, newest: str, after: KeyFile) -> bytes:
    """The file's content with a line for the newest key, written as the one before it is."""
    text, key = path.read_bytes().decode(), b64encode(after.keys[after.newest]).decode()
    line = rf"""^([ \t]*(?:keys[ \t]*\.[ \t]*)?)(["']?){newest}\2[ \t]*=[^\r\n]*(\r?\n|\Z)"""
    for found in re.finditer(line, text, re.MULTILINE):
        begin, quote, end = found.groups()
        added = f'{begin}{quote}{after.newest}{quote} = "{key}"{end or chr(10)}'
        changed = text[: found.end()] + ("" if end else "\n") + added + text[found.end() :]
        if _holds(changed, after):
            return changed.encode()
    raise ConfigError(
        f"key file {str(path)!r}: no version can be added to it as it is written; write a table "
        "[keys] with each key on a line of its own, as `kms init` does"
    )


def _holds(text: str, expected: KeyFile) -> bool:
    try:
        return parse_document(tomllib.loads(text.removeprefix("\ufeff"))) == expected
    except (KeyError, TypeError, AttributeError, ValueError):
        return False
