"""What ``kms://pkcs11`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kms_core.backend import BackendConfig, SecretStr
from msgspec import Meta

Label = Annotated[str, Meta(min_length=1)]


class Pkcs11KekConfig(BackendConfig):
    """Where the KEK is, and who may use it.

    Attributes:
        module: the token's PKCS #11 module, a shared library.
        token: the label of the token.
        key: the label of the KEK. Keys of this label are its versions, told apart by CKA_ID.
        pin: the PIN of the token's user.
    """

    module: Path
    token: Label
    key: Label
    pin: SecretStr
