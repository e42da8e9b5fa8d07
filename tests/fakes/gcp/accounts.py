"""Throw-away identities: service accounts with real files, and who may do what."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.secret_files import write_private

PROJECT, PROJECT_NUMBER = "test-project", "0"  # the number that fake-gcs-server tells


@dataclass(frozen=True)
class Account:
    """A service account, its key, and its file as Google hands it out."""

    email: str
    public_key: str
    private_key: str = field(repr=False)
    file: Path
    permissions: frozenset[str]


@dataclass
class Accounts:
    """All service accounts that the servers know, whose token is whose, and what was used."""

    folder: Path
    token_uri: str
    known: dict[str, Account] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    used: set[str] = field(default_factory=set)

    def make(self, *permissions: str) -> Account:
        """A new account with these permissions."""
        key = rsa.generate_private_key(65537, 1024)  # each client checks it, slowly
        email = f"sa-{token_hex(4)}@{PROJECT}.iam.gserviceaccount.com"
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        file = self.folder / f"{email}.json"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        document = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": token_hex(20),
            "private_key": private,
            "client_email": email,
            "client_id": "1234567890",
            "token_uri": self.token_uri,
        }
        write_private(file, json.dumps(document))
        account = Account(email, public.decode(), private, file, frozenset(permissions))
        self.known[email] = account
        return account

    def allows(self, email: str, permission: str) -> bool:
        """Note that the permission was used, and say whether the account has it."""
        self.used.add(permission)
        return permission in self.known[email].permissions
