"""DEKs go from one cloud to another, from a folder to each and back, through the SDKs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import kms_core
from kms_core import Kms, Outcome
from kms_core.builtin.local.key_file import new_key_file
from tests.fakes.aws.recording import record_calls as record_aws
from tests.fakes.azure.recording import record_calls as record_azure
from tests.pairs.conftest import CLOUDS
from tests.secret_files import write_private

IDS = ("volume-42", "Volume-42", "a/../b ü+%", "x" * 255, "ü" * 127)


class Places:
    """Opens a new KEK with a new storage, in a cloud or on this machine."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path, opened: ExitStack) -> None:
        self._request = request
        self._folder = folder
        self._opened = opened

    def open(self, place: str, kek: Any = None) -> Kms:
        """A Kms; with this KEK, if it is to be no new one."""
        new_kek, storage = self.make(place)
        return self._opened.enter_context(kms_core.open_kms(kek or new_kek, storage))

    def make(self, place: str) -> tuple[Any, Any]:
        """What the config says of both."""
        if place == "file":
            file = write_private(self._folder / "kek.toml", new_key_file())
            storage = f"storage://file?path={self._folder}/deks&createFolder=true"
            return f"kms://local?keyFile={file}", storage
        cloud = self._request.getfixturevalue("moto" if place == "aws" else place)
        if place == "aws":
            more = {"backend": "aws", **cloud.parameters}
            return more | {"keyName": cloud.make_key()}, more | {"bucket": cloud.make_bucket()}
        if place == "azure":
            key = cloud.vaults["vault.azure.net"].make_key("RSA")
            return cloud.kek_parameters(key), cloud.storage_parameters(cloud.make_container())
        return (
            {"backend": "gcp", **cloud.kek_parameters(cloud.make_key())},
            {"backend": "gcp", **cloud.storage_parameters(cloud.make_bucket())},
        )


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    with ExitStack() as opened:
        yield Places(request, tmp_path, opened)


def count(outcomes: Iterator[Outcome]) -> Counter[str]:
    return Counter(outcome.outcome for outcome in outcomes)


def read(kms: Kms) -> dict[str, bytes]:
    return {dek_id: kms.get_dek(dek_id) for dek_id in kms.list_dek_ids()}


def make_deks(kms: Kms) -> dict[str, bytes]:
    return {dek_id: kms.create_dek(dek_id, size=size) for size, dek_id in enumerate(IDS, 30)}


@pytest.mark.parametrize(
    ("start", "end"),
    [("aws", "azure"), ("gcp", "aws"), ("azure", "gcp"), *(("file", cloud) for cloud in CLOUDS)],
)
def test_a_migration(places: Places, start: str, end: str) -> None:
    source, to = places.open(start), places.open(end)
    deks = make_deks(source)
    assert count(source.migrate_deks(to, dry_run=True)) == {"done": len(IDS)}
    assert read(to) == {}
    assert count(source.migrate_deks(to)) == {"done": len(IDS)}
    assert read(to) == deks == read(source)
    assert {to.describe_dek(i).kek_id for i in IDS} == {to.describe_kek().kek_id}
    assert count(source.migrate_deks(to)) == {"unchanged": len(IDS)}
    assert to.rewrap_dek("volume-42") is False


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_copy_there_and_back(places: Places, cloud: str, tmp_path: Path) -> None:
    kek, storage = places.make("file")
    with kms_core.open_kms(kek, storage) as source:
        deks, to = make_deks(source), places.open(cloud, kek)
        assert count(source.copy_deks(to)) == {"done": len(IDS)}
        assert read(to) == deks
        back = f"storage://file?path={tmp_path}/back&createFolder=true"
        with kms_core.open_kms(kek, back) as again:
            assert count(to.copy_deks(again)) == {"done": len(IDS)}
            assert count(source.copy_deks(again)) == {"unchanged": len(IDS)}
    folders = [
        {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.json")}
        for folder in (tmp_path / "deks", tmp_path / "back")
    ]
    assert folders[0] == folders[1]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_archive(places: Places, cloud: str, tmp_path: Path) -> None:
    kek, storage = places.make(cloud)
    with kms_core.open_kms(kek, storage) as source:
        deks = make_deks(source)
        with (tmp_path / "deks.archive").open("wb") as file:
            assert count(source.export_deks(file)) == {"done": len(IDS)}
    with (tmp_path / "deks.archive").open("rb") as file:
        assert count(places.open(cloud, kek).import_deks(file)) == {"done": len(IDS)}
        file.seek(0)
        elsewhere = places.open("file")
        with kms_core.open_kek(kek) as its_own:
            assert count(elsewhere.import_deks(file, source=its_own)) == {"done": len(IDS)}
    assert read(elsewhere) == deks
    with (tmp_path / "offline.archive").open("wb+") as file, kms_core.open_kek(kek) as other:
        assert count(elsewhere.export_deks(file, to=other)) == {"done": len(IDS)}
        file.seek(0)
        restored = places.open(cloud, kek)
        assert count(restored.import_deks(file)) == {"done": len(IDS)}
    assert read(restored) == deks


def test_the_calls_of_a_migration(places: Places) -> None:
    """The source is only read, and at the destination nothing is deleted."""
    aws, azure = places.make("aws"), places.make("azure")
    with kms_core.open_kms(*aws) as source:
        make_deks(source)
    with (
        record_aws() as of_aws,
        record_azure() as of_azure,
        kms_core.open_kms(*aws) as source,
        kms_core.open_kms(*azure) as to,
    ):
        assert count(source.migrate_deks(to)) == {"done": len(IDS)}
    assert Counter(of_aws) == {
        "s3:ListObjectsV2": 1,
        "s3:GetObject": len(IDS),
        "kms:Decrypt": len(IDS),
    }
    assert Counter(of_azure) == {
        "GET key": 1,
        "GET blob": 2 * len(IDS),
        "PUT blob": len(IDS),
        "POST wrapkey": len(IDS),
        "POST unwrapkey": 2 * len(IDS),
    }
