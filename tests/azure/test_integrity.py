"""What stands between us and Blob Storage changes bytes, or says "stored" of what it has not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kms_azure.storage import AzureStorage
from kms_core import DekNotFoundError, Kms, UnavailableError, open_kms
from tests.azure.cloud import Cloud
from tests.fakes.azure.faults import blob_error, start_proxy
from tests.fakes.certificates import Certificates
from tests.fakes.proxy import Exchange, Fault, Proxy, say

VAULT = "vault.azure.net"


@pytest.fixture
def blob_proxy(cloud: Cloud, certificates: Certificates) -> Iterator[Proxy]:
    with start_proxy(cloud.blobs.url, certificates) as proxy:
        yield proxy


@pytest.fixture
def container(cloud: Cloud) -> str:
    return cloud.make_container()


@pytest.fixture
def storage(cloud: Cloud, blob_proxy: Proxy, container: str) -> AzureStorage:
    return cloud.reached_at({"azurite": blob_proxy.url}).open_storage(container)


@pytest.fixture
def kms(cloud: Cloud, blob_proxy: Proxy, container: str) -> Iterator[Kms]:
    kek = cloud.kek_parameters(cloud.vaults[VAULT].make_key("RSA"))
    behind = cloud.reached_at({"azurite": blob_proxy.url})
    with open_kms(kek, behind.storage_parameters(container)) as kms:
        yield kms


def change_request(*, forget_md5: bool) -> Fault:
    def fault(exchange: Exchange) -> None:
        exchange.body = bytes([exchange.body[0] ^ 1]) + exchange.body[1:]
        if forget_md5:
            del exchange.headers["Content-MD5"]
        reply = exchange.forward()
        if reply.status == 400:  # Azurite calls it InvalidOperation, Azure this
            blob_error(400, "Md5Mismatch")(exchange)
        else:
            exchange.answer(reply)

    return fault


def change_answer(exchange: Exchange) -> None:
    reply = exchange.forward()
    reply.body = bytes([reply.body[0] ^ 1]) + reply.body[1:]
    exchange.answer(reply)


def test_record_that_is_altered_on_its_way_is_not_stored(
    blob_proxy: Proxy, kms: Kms, storage: AzureStorage
) -> None:
    blob_proxy.spoil("PUT blob", change_request(forget_md5=False), times=1)
    with pytest.raises(UnavailableError, match="altered on its way"):
        kms.create_dek("id")
    with pytest.raises(DekNotFoundError):
        storage.load_record("id")
    blob_proxy.spoil("PUT blob", change_request(forget_md5=False), times=1)
    with pytest.raises(UnavailableError, match="altered on its way"):
        kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=True) == kms.get_dek("id")


def test_store_that_keeps_other_bytes_says_so(blob_proxy: Proxy, storage: AzureStorage) -> None:
    """Its own MD5, of what it keeps, is in the answer."""
    revision = storage.create_record("there", b"data")
    blob_proxy.spoil("PUT blob", change_request(forget_md5=True))
    with pytest.raises(UnavailableError, match="altered on its way"):
        storage.create_record("new", b"data")
    with pytest.raises(UnavailableError, match="altered on its way"):
        storage.replace_record("there", b"more", revision)


def test_record_that_is_altered_on_its_way_back(blob_proxy: Proxy, kms: Kms) -> None:
    """To be read again, and not to be restored."""
    dek = kms.create_dek("id")
    blob_proxy.spoil("GET blob", change_answer, times=1)
    with pytest.raises(UnavailableError, match="altered on its way"):
        kms.get_dek("id")
    assert kms.get_dek("id") == dek


@pytest.mark.parametrize("headers", [{}, {"ETag": ""}, {"Content_MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}])
def test_answer_without_proof_is_not_believed(
    blob_proxy: Proxy, kms: Kms, headers: dict[str, str]
) -> None:
    """Whatever says 201 and stores nothing: no DEK leaves, now or later."""
    blob_proxy.spoil("PUT blob", say(201, b"", **headers))
    with pytest.raises(UnavailableError):
        kms.get_dek("id", create=True)
    with pytest.raises(UnavailableError):
        kms.create_dek("id")
    with pytest.raises(DekNotFoundError):
        kms.get_dek("id")


FIPS = """
config_diagnostics = 1
openssl_conf = start
[start]
providers = loaded
alg_section = algorithms
[loaded]
default = on
[on]
activate = 1
[algorithms]
default_properties = fips=yes
"""
SCRIPT = """
import hashlib
from kms_azure.storage import _content
assert _content(b"")["transactional_content_md5"].hex() == "d41d8cd98f00b204e9800998ecf8427e"
try:
    hashlib.md5(b"")
except ValueError:
    print("MD5 is refused")
"""


def test_md5_on_a_machine_that_keeps_to_fips(tmp_path: Path) -> None:
    """It guards no secret here, and Python says so to OpenSSL."""
    (tmp_path / "openssl.cnf").write_text(FIPS)
    environment = {"OPENSSL_CONF": str(tmp_path / "openssl.cnf")}
    run = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if done.stdout != "MD5 is refused\n":
        pytest.skip("this Python's OpenSSL allows MD5 whatever OPENSSL_CONF says")
