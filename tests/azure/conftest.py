"""The servers, an environment that says nothing of Azure, and a record of every call."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from tests.azure.cloud import VAULT, Cloud
from tests.fakes.azure.faults import start_issuer, start_proxy
from tests.fakes.azure.key_vault import KeyVault, serve_vault
from tests.fakes.azure.recording import PROMISED, record_calls
from tests.fakes.azure.servers import TENANT, install_servers, start_azurite, start_tokens
from tests.fakes.azure.versions import start_store
from tests.fakes.certificates import Certificates, make_certificates
from tests.fakes.live.azure import vault_form
from tests.fakes.proxy import Proxy


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.getbasetemp() / "certificates")


@pytest.fixture(scope="session")
def servers(certificates: Certificates) -> Iterator[Cloud]:
    """All servers, for the whole session."""
    install_servers()
    with ExitStack() as stack:
        blobs = stack.enter_context(start_azurite(certificates))
        tokens = stack.enter_context(start_tokens(certificates))
        vaults = {}
        for vault_type in ("vault.azure.net", "managedhsm.azure.net"):
            vault = KeyVault(
                certificates=certificates,
                live=vault_form(is_hsm=vault_type.startswith("managedhsm")),
                host=f"{VAULT}.{vault_type}",
                audience=f"https://{vault_type}",
                authority=f"{tokens.url}/{TENANT}",
            )
            vaults[vault_type] = stack.enter_context(serve_vault(vault))
        wire = stack.enter_context(start_store(blobs.url, certificates))
        issuer = stack.enter_context(start_issuer(tokens, certificates))
        endpoints = {"azurite": wire.url, "tokens": issuer.url}
        yield Cloud(vaults, blobs, tokens, endpoints=endpoints, store=wire)


@pytest.fixture
def cloud(servers: Cloud, _no_azure_of_this_machine: None) -> Iterator[Cloud]:
    """The servers, trusted."""
    yield servers
    for vault in servers.vaults.values():
        vault.extra_byte = False


@pytest.fixture(autouse=True)
def _no_azure_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificates: Certificates
) -> None:
    for name in os.environ:
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.authority))


@pytest.fixture(autouse=True)
def calls() -> Iterator[list[str]]:
    """Every call of the test; each must be one that we promise to be all."""
    with record_calls() as calls:
        yield calls
    assert set(calls) <= PROMISED


@pytest.fixture
def vault_proxy(cloud: Cloud, certificates: Certificates) -> Iterator[Proxy]:
    with start_proxy(cloud.vaults["vault.azure.net"].url, certificates) as proxy:
        yield proxy


@pytest.fixture
def blob_proxy(cloud: Cloud, certificates: Certificates) -> Iterator[Proxy]:
    with start_proxy(cloud.endpoints["azurite"], certificates) as proxy:
        yield proxy


@pytest.fixture
def pem() -> str:
    """A certificate of a client and its key, which RS256 needs to be of RSA."""
    made = trustme.CA().issue_cert("client.example", key_type=trustme.KeyType.RSA)
    return made.private_key_and_cert_chain_pem.bytes().decode()
