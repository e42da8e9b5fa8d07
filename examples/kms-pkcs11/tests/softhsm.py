"""SoftHSM 2 as an admin sets it up: tokens in a folder, keys in a token."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Session, UserAlreadyLoggedIn

from kms_pkcs11.config import Pkcs11KekConfig
from kms_pkcs11.kek import Pkcs11Kek

TOKEN, TWINS = "deks", "twins"
PIN, SO_PIN = "pin-of-the-user", "pin-of-the-officer"
_KEK = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}


@dataclass(frozen=True)
class SoftHsm:
    """An initialised SoftHSM."""

    module: Path
    opened: list[Pkcs11Kek] = field(default_factory=list)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the config says of this token."""
        return {"module": self.module, "token": TOKEN, "pin": PIN}

    def make_key(
        self, label: str = "", id_: bytes = b"\1", bits: int = 256, **attributes: bool
    ) -> str:
        """Generate a key that is fit for a KEK but for these attributes; return its label."""
        label = label or f"kek-{token_hex(6)}"
        template = _KEK | {Attribute[name]: value for name, value in attributes.items()}
        with self._log_in() as session:
            session.generate_key(KeyType.AES, bits, id_, label, store=True, template=template)
        return label

    def destroy_key(self, label: str, id_: bytes) -> None:
        """Destroy the key of this label that has this CKA_ID."""
        with self._log_in() as session:
            [key] = session.get_objects({Attribute.LABEL: label, Attribute.ID: id_})
            key.destroy()

    def set_attribute(self, label: str, attribute: Attribute, *, value: bool) -> None:
        """Change an attribute of the only key of this label."""
        with self._log_in() as session:
            [key] = session.get_objects({Attribute.LABEL: label})
            key[attribute] = value

    def open_token(self, pin: str | None = None) -> Session:
        """A session as other code of this process may have one, logged in if there is a PIN."""
        return pkcs11.lib(str(self.module)).get_token(token_label=TOKEN).open(rw=True, user_pin=pin)

    def _log_in(self) -> Session:
        try:
            return self.open_token(PIN)
        except UserAlreadyLoggedIn:  # by a backend, for all of this process
            return self.open_token()

    def open_kek(self, key: str, **more: object) -> Pkcs11Kek:
        """A client of this key."""
        config = Pkcs11KekConfig.from_parameters(self.parameters | {"key": key} | more)
        self.opened.append(Pkcs11Kek(config))
        return self.opened[-1]

    def close_keks(self) -> None:
        """Close all clients, so that nobody is logged in."""
        while self.opened:
            self.opened.pop().close()


def init_softhsm(folder: Path) -> SoftHsm:
    """Initialise one token of a label of its own, and two that share one."""
    util, module = _find_softhsm()
    for label in (TOKEN, TWINS, TWINS):
        command = [util, "--module", module, "--init-token", "--free", "--label", label]
        command += ["--pin", PIN, "--so-pin", SO_PIN]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return SoftHsm(Path(module))


def _find_softhsm() -> tuple[str, str]:
    util = shutil.which("softhsm2-util")
    if util is not None:
        prefix = Path(util).resolve().parents[1]
        for place in ("lib*/softhsm", "lib*/*/softhsm", "lib*/pkcs11"):
            for module in prefix.glob(f"{place}/libsofthsm2.so"):
                return util, str(module)
    pytest.fail("these tests need SoftHSM 2; on Debian: apt-get install softhsm2", pytrace=False)
