"""Secrets that a test plants, and the search for them."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Sequence
from pathlib import Path

from kms_core.testing._harness.leaks import Secret, Text, search
from tests.secret_files import write_private


class Plants:
    """Makes secrets, and knows all that it made.

    Attributes:
        folder: where secrets in files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[str, Secret] = {}

    def text(self, name: str, size: int = 40) -> str:
        """A secret text that nothing else holds by chance, the same for the same name."""
        characters = random.Random(name).choices(string.ascii_letters + string.digits, k=size)
        return str(self._made.setdefault(name, "".join(characters)))

    def random_bytes(self, size: int = 32) -> bytes:
        """Secret bytes, in place of the system's."""
        made = random.Random(size).randbytes(size)
        self._made[f"{size} bytes"] = made
        return made

    def known(self, name: str, secret: Secret) -> Secret:
        """Take a secret that somebody else made."""
        self._made[name] = secret
        return secret

    def file(self, name: str, content: str | bytes) -> str:
        """Write a file that holds secrets."""
        return str(write_private(self.folder / name, content))

    def found_in(self, texts: Sequence[Text]) -> Iterator[str]:
        """Say where a text holds one of them, or a part of one, in any form."""
        everything = [("all texts", "\n".join(text for _, text in texts))]
        for name, secret in self._made.items():
            try:
                search(name, everything, _lines(secret))
            except AssertionError:
                yield from _places(name, texts, _lines(secret))


def _places(name: str, texts: Sequence[Text], secrets: Sequence[Secret]) -> Iterator[str]:
    for text in texts:
        try:
            search(name, [text], secrets)
        except AssertionError as found:
            yield str(found)


def _lines(secret: Secret) -> list[Secret]:
    """Those of a key in PEM; the search itself looks for parts of each."""
    if isinstance(secret, bytes):
        return [secret]
    return [line for line in secret.splitlines() if "-" not in line]
