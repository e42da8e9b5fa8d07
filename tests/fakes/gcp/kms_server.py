"""Our own test server that speaks the protocol of Cloud KMS. It is not Google's, and shares no
code with kms-gcp; what it answers follows the API reference and the data integrity guidelines.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import google_crc32c
import grpc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud.kms_v1 import types
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped] # neither has types
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from tests.fakes.certificates import Certificates
from tests.fakes.gcp.accounts import Accounts
from tests.fakes.live.gcp import keep_listed
from tests.fakes.spoilable import Spoilable

SCOPE = "https://www.googleapis.com/auth/cloudkms"
State = types.CryptoKeyVersion.CryptoKeyVersionState
Algorithm = types.CryptoKeyVersion.CryptoKeyVersionAlgorithm
Level = types.ProtectionLevel

Answer: TypeAlias = Callable[[Any], Any]
Fault: TypeAlias = Callable[[Any, grpc.ServicerContext, Answer], Any]
"""What happens to a call in place of a plain answer."""

_LIMITS = {Level.HSM: 8192}
_EXTERNAL = {Level.EXTERNAL, Level.EXTERNAL_VPC}


@dataclass
class Version:
    """One version of a key."""

    secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    state: Any = State.ENABLED


@dataclass
class Key:
    """A symmetric key with its versions, of which one is primary."""

    level: Any = Level.SOFTWARE
    algorithm: Any = Algorithm.GOOGLE_SYMMETRIC_ENCRYPTION
    versions: list[Version] = field(default_factory=lambda: [Version()])
    primary: int = 1

    def rotate(self) -> int:
        """Add a version and make it primary, as a rotation does."""
        self.versions.append(Version())
        self.primary = len(self.versions)
        return self.primary


class Refusal(Exception):  # noqa: N818 -- an answer, not a failure of this program
    def __init__(self, code: grpc.StatusCode, message: str, reason: str = "") -> None:
        super().__init__(message)
        number, _ = code.value
        self.status = status_pb2.Status(code=number, message=message)
        if reason:
            info = error_details_pb2.ErrorInfo(reason=reason, domain="googleapis.com")
            self.status.details.add().Pack(info)


class KmsServer(Spoilable[Fault], grpc.GenericRpcHandler):  # type: ignore[misc] # gRPC has no types
    """The three methods that a KEK needs; everything else is UNIMPLEMENTED."""

    def __init__(self, accounts: Accounts) -> None:
        super().__init__()
        self.accounts = accounts
        self.keys: dict[str, Key] = {}
        self.requests: list[Any] = []
        self.payers: list[str] = []
        self.over = threading.Event()
        self.port = 0
        self.plain_port = 0
        self._methods: dict[str, tuple[type, type, str, Answer]] = {
            "Encrypt": (
                types.EncryptRequest,
                types.EncryptResponse,
                "cloudkms.cryptoKeyVersions.useToEncrypt",
                self._encrypt,
            ),
            "Decrypt": (
                types.DecryptRequest,
                types.DecryptResponse,
                "cloudkms.cryptoKeyVersions.useToDecrypt",
                self._decrypt,
            ),
            "GetCryptoKeyVersion": (
                types.GetCryptoKeyVersionRequest,
                types.CryptoKeyVersion,
                "cloudkms.cryptoKeyVersions.get",
                self._get,
            ),
        }

    @property
    def endpoint(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def plain_endpoint(self) -> str:
        """As of an emulator: without TLS, and open to everybody."""
        return f"http://127.0.0.1:{self.plain_port}"

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        service, _, method = handler_call_details.method.rpartition("/")
        if service != "/google.cloud.kms.v1.KeyManagementService" or method not in self._methods:
            self.seen.append(method)
            return None
        request, reply, permission, answer = self._methods[method]

        def handle(message: Any, context: grpc.ServicerContext) -> Any:
            return self._handle(method, message, context, permission, answer)

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=request.deserialize,  # type: ignore[attr-defined] # by proto-plus
            response_serializer=reply.serialize,  # type: ignore[attr-defined]
        )

    def _handle(
        self, method: str, message: Any, context: Any, permission: str, answer: Answer
    ) -> Any:
        self.requests.append(message)

        def checked(request: Any) -> Any:
            self._authorize(context, permission, request.name)
            return keep_listed(method, answer(request))

        try:
            fault = self.take_fault({method})
            return fault(message, context, checked) if fault else checked(message)
        except Refusal as refusal:
            context.abort_with_status(rpc_status.to_status(refusal.status))

    def _authorize(self, context: Any, permission: str, name: str) -> None:
        """The token is a JWT that the service account signed itself, or one that was given out."""
        metadata = dict(context.invocation_metadata())
        header = metadata.get("authorization", "")
        if "x-goog-user-project" in metadata:
            self.payers.append(metadata["x-goog-user-project"])
        if context.auth_context().get("transport_security_type") != [b"ssl"]:  # as an emulator
            assert not header
            return
        email = self._email(header.removeprefix("Bearer "))
        if email is None:
            raise Refusal(grpc.StatusCode.UNAUTHENTICATED, "invalid authentication credentials")
        if not self.accounts.allows(email, permission):
            raise Refusal(
                grpc.StatusCode.PERMISSION_DENIED,
                f"Permission '{permission}' denied on resource '{name}' (or it may not exist).",
            )

    def _email(self, token: str) -> str | None:
        if token in self.accounts.tokens:
            return self.accounts.tokens[token]
        for email, account in self.accounts.known.items():
            try:
                claims = jwt.decode(token, jwk.RSAKey.import_key(account.public_key)).claims
                jwt.JWTClaimsRegistry(
                    iss={"essential": True, "value": email},
                    exp={"essential": True},
                    scope={"essential": True, "value": SCOPE},
                ).validate(claims)
            except (JoseError, ValueError):
                continue
            return email
        return None

    def _find(self, name: str) -> tuple[str, Key, int | None]:
        path, _, version = name.partition("/cryptoKeyVersions/")
        key = self.keys.get(path)
        if key is None or (version and not 1 <= int(version) <= len(key.versions)):
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"CryptoKey {name} not found.")
        return path, key, int(version) if version else None

    def _enabled(self, path: str, key: Key, number: int) -> Version:
        version = key.versions[number - 1]
        if version.state != State.ENABLED:
            name = f"{path}/cryptoKeyVersions/{number}"
            problem = f"{name} is not enabled, current state is: {version.state.name}."
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, problem)
        return version

    def _encrypt(self, request: Any) -> Any:
        path, key, number = self._find(request.name)
        plaintext_checked = verify(request, "plaintext")
        context_checked = verify(request, "additional_authenticated_data")
        aad = request.additional_authenticated_data
        if len(request.plaintext) + len(aad) > _LIMITS.get(key.level, 2 * 65536):
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "The request is too long.")
        if key.algorithm.name not in {
            "GOOGLE_SYMMETRIC_ENCRYPTION",
            "EXTERNAL_SYMMETRIC_ENCRYPTION",
        }:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "The key's purpose is another one.")
        number = number or key.primary
        secret = self._enabled(path, key, number).secret
        ciphertext = seal(number, secret, request.plaintext, aad)
        return types.EncryptResponse(
            name=f"{path}/cryptoKeyVersions/{number}",
            ciphertext=ciphertext,
            ciphertext_crc32c=google_crc32c.value(ciphertext),
            verified_plaintext_crc32c=plaintext_checked,
            verified_additional_authenticated_data_crc32c=context_checked,
            protection_level=key.level,
        )

    def _decrypt(self, request: Any) -> Any:
        path, key, number = self._find(request.name)
        verify(request, "ciphertext")
        verify(request, "additional_authenticated_data")
        failed = Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
        )
        number = int.from_bytes(request.ciphertext[1:2])
        if request.ciphertext[:1] != b"\n" or not 1 <= number <= len(key.versions):
            raise failed
        secret = self._enabled(path, key, number).secret
        nonce, sealed = request.ciphertext[2:14], request.ciphertext[14:]
        try:
            plaintext = AESGCM(secret).decrypt(nonce, sealed, request.additional_authenticated_data)
        except (InvalidTag, ValueError):
            raise failed from None
        return types.DecryptResponse(
            plaintext=plaintext,
            plaintext_crc32c=google_crc32c.value(plaintext),
            used_primary=number == key.primary,
            protection_level=key.level,
        )

    def _get(self, request: Any) -> Any:
        path, key, number = self._find(request.name)
        assert number is not None
        return types.CryptoKeyVersion(
            name=f"{path}/cryptoKeyVersions/{number}",
            state=key.versions[number - 1].state,
            protection_level=key.level,
            algorithm=key.algorithm,
        )


def seal(number: int, secret: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
    """A ciphertext, of which a client knows nothing; as Google's it begins with a line feed."""
    nonce = os.urandom(12)
    return bytes([10, number]) + nonce + AESGCM(secret).encrypt(nonce, plaintext, aad)


def verify(request: Any, name: str) -> bool:
    """Whether there is a checksum; one that does not match is refused."""
    if f"{name}_crc32c" not in request:
        return False
    if getattr(request, f"{name}_crc32c") != google_crc32c.value(getattr(request, name)):
        problem = f"The checksum in field {name}_crc32c did not match the data in field {name}."
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, problem)
    return True


@contextmanager
def start_kms_server(accounts: Accounts, tls: Certificates) -> Iterator[KmsServer]:
    """Serve on a free port of the loopback interface, over TLS."""
    kms = KmsServer(accounts)
    server = grpc.server(
        ThreadPoolExecutor(100), handlers=[kms], options=[("grpc.so_reuseport", 0)]
    )
    issued = (tls.key.read_bytes(), tls.certificate.read_bytes())
    credentials = grpc.ssl_server_credentials([issued])
    kms.port = server.add_secure_port("127.0.0.1:0", credentials)
    kms.plain_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield kms
    finally:
        kms.over.set()
        server.stop(0).wait()
