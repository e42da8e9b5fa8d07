"""The service, called as its clients do, without a socket."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from httpx import ASGITransport, AsyncClient
from service import app

import kms_core

Test = Callable[[AsyncClient], Awaitable[None]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `kms init` was run, and three tenants have a DEK, one of a size that AES has not."""
    folder = tmp_path_factory.mktemp("service")
    subprocess.run([sys.executable, "-m", "kms_core", "init"], cwd=folder, check=True)
    with kms_core.open_kms(config=folder / "kms.toml") as kms:
        kms.create_dek("tenant-a")
        kms.create_dek("tenant-b")
        kms.create_dek("tenant-c", size=20)
    return folder


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Test], None]:
    """Runs a test with a client, while the service is up."""
    monkeypatch.setenv("KMS_CONFIG", str(folder / "kms.toml"))

    def call(test: Test) -> None:
        async def main() -> None:
            client = AsyncClient(transport=ASGITransport(app), base_url="http://service")
            async with app.router.lifespan_context(app), client:
                await test(client)

        anyio.run(main)

    return call


def test_a_tenant_gets_back_what_was_encrypted(call: Callable[[Test], None]) -> None:
    async def test(client: AsyncClient) -> None:
        sealed = await client.post("/tenants/a/encrypt", content=b"attack at dawn")
        assert b"dawn" not in sealed.content
        opened = await client.post("/tenants/a/decrypt", content=sealed.content)
        assert (opened.status_code, opened.content) == (200, b"attack at dawn")

    call(test)


def test_no_other_tenant_gets_it_and_nothing_altered_opens(call: Callable[[Test], None]) -> None:
    async def test(client: AsyncClient) -> None:
        sealed = (await client.post("/tenants/a/encrypt", content=b"attack")).content
        altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
        for tenant, content in (("b", sealed), ("a", altered), ("a", b"short"), ("a", b"")):
            answer = await client.post(f"/tenants/{tenant}/decrypt", content=content)
            assert answer.status_code == 400

    call(test)


def test_no_request_makes_a_dek(call: Callable[[Test], None], folder: Path) -> None:
    async def test(client: AsyncClient) -> None:
        for tenant in ("nobody", "x" * 300):
            answer = await client.post(f"/tenants/{tenant}/encrypt", content=b"attack")
            assert answer.status_code == 404

    call(test)
    with kms_core.open_kms(config=folder / "kms.toml") as kms:
        assert sorted(kms.list_dek_ids()) == ["tenant-a", "tenant-b", "tenant-c"]


def test_an_outage_says_try_again_and_only_the_log_says_more(
    call: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise kms_core.UnavailableError("the store at 10.0.0.7 is away")

    async def test(client: AsyncClient) -> None:
        monkeypatch.setattr(app.state.kms, "get_dek", fail)
        answer = await client.post("/tenants/a/encrypt", content=b"attack")
        assert (answer.status_code, answer.content) == (503, b"")
        assert "the store at 10.0.0.7 is away" in caplog.text

    call(test)


def test_a_dek_of_another_size_is_no_mistake_of_the_client(call: Callable[[Test], None]) -> None:
    async def test(client: AsyncClient) -> None:
        with pytest.raises(ValueError, match="AESGCM key"):
            await client.post("/tenants/c/decrypt", content=bytes(50))

    call(test)
