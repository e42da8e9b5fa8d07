"""Throw-away identities: a CA for TLS, service accounts with real files, and who may do what."""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import json
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

PROJECT, PROJECT_NUMBER = "test-project", "0"  # the number that fake-gcs-server tells


@dataclass(frozen=True)
class Tls:
    """A CA, and a certificate of it for localhost and 127.0.0.1."""

    ca_file: Path
    certificate: bytes
    key: bytes


@functools.cache
def make_tls(folder: Path) -> Tls:
    """A CA that nobody else trusts, with its one certificate; one for all who name this folder."""
    folder.mkdir()
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = _name("kms-core tests")
    ca = (
        _certificate(ca_name, ca_key.public_key(), ca_name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = (
        _certificate(_name("localhost"), key.public_key(), ca_name)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(ca.public_bytes(Encoding.PEM))
    return Tls(ca_file, leaf.public_bytes(Encoding.PEM), _pem(key))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    return x509.CertificateBuilder(
        issuer, subject, key, x509.random_serial_number(), now - day, now + day
    )


def _pem(key: Any) -> bytes:
    encoded: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return encoded


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
    """All service accounts that the servers know, and every permission that was used."""

    folder: Path
    token_uri: str
    known: dict[str, Account] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def make(self, *permissions: str) -> Account:
        """A new account with these permissions."""
        key = rsa.generate_private_key(65537, 2048)
        email = f"sa-{token_hex(4)}@{PROJECT}.iam.gserviceaccount.com"
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        file = self.folder / f"{email}.json"
        private = _pem(key).decode()
        document = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": token_hex(20),
            "private_key": private,
            "client_email": email,
            "client_id": "1234567890",
            "token_uri": self.token_uri,
        }
        file.write_text(json.dumps(document))
        account = Account(email, public.decode(), private, file, frozenset(permissions))
        self.known[email] = account
        return account

    def allows(self, email: str, permission: str) -> bool:
        """Note that the permission was used, and say whether the account has it."""
        self.used.add(permission)
        return permission in self.known[email].permissions
