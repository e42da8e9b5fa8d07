"""The key file of ``kms://local``: every version of one KEK, in TOML.

    kek_id = "3f0c2a…"      # random, names the KEK in records

    [keys]                  # version = 32 bytes in base64; the highest wraps, all of them unwrap
    1 = "…"

Another version among ``keys`` rotates the KEK.
"""

from __future__ import annotations

import re
import secrets
import tomllib
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path

from kms_core import AccessDeniedError, ConfigError, KekNotFoundError

KEY_SIZE = 32
_VERSION = re.compile("0|[1-9][0-9]{0,8}")
_CURE = "restore it from a backup; `kms init --kek local` shows the format"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The KEK's id, and its keys of 32 bytes by version."""

    kek_id: str
    keys: dict[str, bytes] = field(repr=False)

    @property
    def newest(self) -> str:
        """The version that wraps."""
        return max(self.keys, key=int)


def new_key_file() -> str:
    """The text of a key file with one fresh key from the operating system's random source."""
    key = b64encode(secrets.token_bytes(KEY_SIZE)).decode()
    return (
        "# A key encryption key of kms-core. Keep it secret, and keep a backup: without it no DEK\n"
        "# that it wrapped can be read again.\n"
        f'kek_id = "{secrets.token_hex(16)}"\n\n'
        "# version = 32 random bytes in base64. The highest version wraps, every one unwraps:\n"
        "# `kms kek rotate` adds a version. Remove none that a DEK may need.\n"
        f'[keys]\n1 = "{key}"\n'
    )


def read_key_file(path: Path) -> KeyFile:
    """Read a key file that others can neither read nor change.

    Raises:
        KekNotFoundError: there is no such file.
        AccessDeniedError: it may not be read, or others may read or change it.
        ConfigError: it is not a key file. No message holds any of its content.
    """
    text = _read_text(path)
    problem = "it is not TOML"
    try:
        return parse_document(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError):
        pass
    except (KeyError, TypeError, AttributeError, ValueError):
        problem = f"it needs kek_id, and keys of {KEY_SIZE} bytes in base64 by version number"
    # Raised here and not above: those errors may carry the file's content.
    raise ConfigError(f"key file {str(path)!r}: {problem}; {_CURE}")


def _read_text(path: Path) -> str:
    from kms_core.backend import read_secret_file  # noqa: PLC0415 -- `kms init` needs no backend

    try:
        return read_secret_file(path).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise KekNotFoundError(
            f"key file {str(path)!r} is not there; restore it from a backup. A new KEK "
            "(`kms init` in an empty folder) opens no DEK of the old one"
        ) from error
    except OSError as error:
        raise AccessDeniedError(f"key file {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError:
        pass
    raise ConfigError(f"key file {str(path)!r}: it is not UTF-8 text; {_CURE}")


def parse_document(document: dict[str, object]) -> KeyFile:
    """What a key file says, once it is read as TOML.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: it is not a key file.
    """
    kek_id, table = document["kek_id"], document["keys"]
    if not isinstance(kek_id, str) or not kek_id or not isinstance(table, dict) or not table:
        raise ValueError
    keys = {version: b64decode(text, validate=True) for version, text in table.items()}
    if any(len(key) != KEY_SIZE for key in keys.values()):
        raise ValueError
    if not all(_VERSION.fullmatch(version) for version in keys):  # "01" would be a second 1
        raise ValueError
    return KeyFile(kek_id, keys)
