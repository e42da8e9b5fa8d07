"""The clouds of this machine, each with a key, a place for records, and one DEK."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import kms_core
from kms_core._deks.record import record_context
from kms_core.backend import encode_context
from tests.aws.cloud import REGION
from tests.aws.cloud import Cloud as Aws
from tests.azure.cloud import VAULT
from tests.azure.cloud import Cloud as Azure
from tests.fakes.aws.servers import start_moto
from tests.fakes.azure.faults import start_issuer
from tests.fakes.azure.key_vault import KeyVault, serve_vault
from tests.fakes.azure.servers import TENANT, install_servers, start_azurite, start_tokens
from tests.fakes.azure.versions import start_store
from tests.fakes.certificates import make_certificates
from tests.fakes.gcp.accounts import Accounts
from tests.fakes.gcp.kms_server import start_kms_server
from tests.fakes.gcp.storage_server import start_fake_gcs, start_front
from tests.fakes.gcp.token_server import start_token_server
from tests.fakes.live.azure import vault_form
from tests.gcp.cloud import KEK_PERMISSIONS, MORE_PERMISSIONS, RECORD_PERMISSIONS
from tests.gcp.cloud import Cloud as Gcp

DEK_ID = "volume-42"
_VAULT_TYPE = "vault.azure.net"


class Place(NamedTuple):
    """What a worker is told of a cloud, and the environment that it runs in."""

    settings: dict[str, Any]
    variables: dict[str, str]


@contextmanager
def serve_aws(_: Path) -> Iterator[Place]:
    """moto, and a DEK registry for Confluent's client."""
    with start_moto() as server, serve_registry() as registry:
        cloud = Aws(server)
        kek = {"backend": "aws", "keyName": cloud.make_key(), **cloud.parameters}
        storage = {"backend": "aws", "bucket": cloud.make_bucket(), **cloud.parameters}
        client = {
            "region_name": REGION,
            "endpoint_url": server.url,
            "aws_access_key_id": cloud.access_key_id,
            "aws_secret_access_key": cloud.access_key,
        }
        settings = {"kek": kek, "storage": storage, "client": client, "registry": registry}
        yield _with_dek(settings, {"AWS_EC2_METADATA_DISABLED": "true"})


@contextmanager
def serve_azure(folder: Path) -> Iterator[Place]:
    """Our vault, Azurite and oauth2-mock-server."""
    install_servers()
    certificates = make_certificates(folder / "azure")
    trusted = {"REQUESTS_CA_BUNDLE": str(certificates.authority)}
    os.environ.update(trusted)
    with ExitStack() as stack:
        blobs = stack.enter_context(start_azurite(certificates))
        tokens = stack.enter_context(start_tokens(certificates))
        vault = KeyVault(
            certificates=certificates,
            live=vault_form(is_hsm=False),
            host=f"{VAULT}.{_VAULT_TYPE}",
            audience=f"https://{_VAULT_TYPE}",
            authority=f"{tokens.url}/{TENANT}",
        )
        stack.enter_context(serve_vault(vault))
        wire = stack.enter_context(start_store(blobs.url, certificates))
        issuer = stack.enter_context(start_issuer(tokens, certificates))
        endpoints = {"azurite": wire.url, "tokens": issuer.url}
        cloud = Azure({_VAULT_TYPE: vault}, blobs, tokens, endpoints=endpoints, store=wire)
        settings = {
            "kek": cloud.kek_parameters(vault.make_key("RSA")),
            "storage": cloud.storage_parameters(cloud.make_container()),
        }
        yield _with_dek(settings, trusted)


@contextmanager
def serve_gcp(folder: Path) -> Iterator[Place]:
    """Our Cloud KMS, and fake-gcs-server behind our front."""
    certificates = make_certificates(folder / "gcp")
    with ExitStack() as stack:
        tokens, token_uri = stack.enter_context(start_token_server())
        (accounts := folder / "accounts").mkdir()
        tokens.accounts = Accounts(accounts, token_uri)
        kms = stack.enter_context(start_kms_server(tokens.accounts, certificates))
        upstream = stack.enter_context(start_fake_gcs()).url
        front = stack.enter_context(start_front(upstream, tokens, tokens.accounts))
        account = tokens.accounts.make(*KEK_PERMISSIONS, *RECORD_PERMISSIONS, *MORE_PERMISSIONS)
        cloud = Gcp(certificates, tokens.accounts, tokens, kms, front, account)
        key = cloud.make_key()
        settings = {
            "kek": {"backend": "gcp", **cloud.kek_parameters(key)},
            "storage": {"backend": "gcp", **cloud.storage_parameters(cloud.make_bucket())},
            "key": cloud.resource(key),
        }
        roots = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(certificates.authority)}
        yield _with_dek(settings, roots | {"NO_GCE_CHECK": "true"})


def _with_dek(settings: dict[str, Any], variables: dict[str, str]) -> Place:
    """Make the DEK that all workers read, and tell what it is bound to."""
    os.environ.update(variables)
    with kms_core.open_kms(settings["kek"], settings["storage"]) as kms:
        kms.create_dek(DEK_ID)
        made = kms.describe_dek(DEK_ID)
    context = record_context(DEK_ID, made.size, f"{made.created:%Y-%m-%dT%H:%M:%SZ}")
    return Place(settings | {"aad": encode_context(context).decode()}, variables)


@contextmanager
def serve_registry() -> Iterator[str]:
    """A DEK registry: what is posted is kept, and given back.

    https://docs.confluent.io/platform/current/security/protect-data/csfle/api-reference.html
    """
    kept: dict[str, dict[str, Any]] = {}

    class Registry(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = kept.get(self.path.partition("?")[0].removesuffix("/versions/1"))
            self._say(found or {"error_code": 40470, "message": "Key not found"}, found is None)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made = {**body, "kekName": "kek", "ts": 1, "version": 1}
            path = self.path if "/deks/" in self.path else f"{self.path}/{body.get('name', '')}"
            kept[path] = made
            self._say(made, is_missing=False)

        def _say(self, what: dict[str, Any], is_missing: bool) -> None:  # noqa: FBT001 -- private
            text = json.dumps(what).encode()
            self.send_response(HTTPStatus.NOT_FOUND if is_missing else HTTPStatus.OK)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
