"""Several KEKs for one store: the first wraps, all unwrap, and the error is the right one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kms_core
from kms_core._config.choices import load_choices
from kms_core._plugins.clients import KekClient, bind
from kms_core.backend import Context, Event, WrappedDek, hookimpl
from kms_core.builtin.local.key_file import new_key_file
from kms_core.builtin.local.rotation import rotate_key_file
from tests.conformance.small_kms import SmallKek, SmallKms
from tests.secret_files import write_private

CONTEXT = {"purpose": "x"}
DERIVER = f"kms://cluster-kms?key={'A' * 43}%3D&salt={'A' * 43}%3D"


@pytest.fixture
def make_kek(tmp_path: Path) -> Callable[[str], str]:
    """Makes a KEK of this name, and returns its URI."""

    def make_kek(name: str) -> str:
        return f"kms://local?keyFile={write_private(tmp_path / name, new_key_file())}"

    return make_kek


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"storage://file?path={tmp_path}/deks&createFolder=true"


def kek_ids(*uris: str) -> list[str]:
    return [kms_core.open_kek(uri).describe_kek().kek_id for uri in uris]


def test_a_rotation_to_another_kek_needs_no_stop(
    make_kek: Callable[[str], str], storage: str
) -> None:
    old, new = make_kek("old"), make_kek("new")
    with kms_core.open_kms(old, storage) as before:
        dek = before.create_dek("old")
        with kms_core.open_kms([old, new], storage) as prepared:
            with kms_core.open_kms([new, old], storage) as after:
                made = after.create_dek("new")
                assert after.get_dek("old") == dek
                assert after.describe_kek().kek_id == kek_ids(new)[0]
            assert prepared.get_dek("new") == made
            assert prepared.get_dek("old") == dek
    with kms_core.open_kms(new, storage) as alone:
        assert alone.get_dek("new") == made
        with pytest.raises(kms_core.KekNotFoundError):
            alone.get_dek("old")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_whatever_any_of_them_wrapped_comes_back(
    make_kek: Callable[[str], str], data: st.DataObject
) -> None:
    uris = [make_kek(name) for name in "abcd"]
    wrapped = []
    for uri in uris:
        with kms_core.open_kek(uri) as kek:
            wrapped.append(kek.wrap(uri.encode(), CONTEXT))
    chosen = data.draw(st.lists(st.sampled_from(uris), min_size=1, max_size=6))
    order = data.draw(st.lists(st.sampled_from(range(4)), max_size=12))
    with kms_core.open_kek(chosen) as keks:
        for number in order:
            if uris[number] in chosen:
                assert keks.unwrap(wrapped[number], CONTEXT) == uris[number].encode()
            else:
                with pytest.raises(kms_core.KekNotFoundError):
                    keks.unwrap(wrapped[number], CONTEXT)


def test_a_rewrap_brings_all_under_the_first(make_kek: Callable[[str], str], storage: str) -> None:
    old, new = make_kek("old"), make_kek("new")
    with kms_core.open_kms(old, storage) as kms:
        deks = {name: kms.create_dek(name) for name in "abc"}
    with kms_core.open_kms([new, old], storage) as kms:
        deks["d"] = kms.create_dek("d")
        outcomes = {outcome.dek_id: outcome.outcome for outcome in kms.rewrap_deks()}
        assert outcomes == dict.fromkeys("abc", "done") | {"d": "unchanged"}
    with kms_core.open_kms(new, storage) as kms:
        assert {name: kms.get_dek(name) for name in deks} == deks
    with kms_core.open_kms(old, storage) as kms:
        for name in deks:
            with pytest.raises(kms_core.KekNotFoundError):
                kms.get_dek(name)


def test_none_of_them_wrapped_it(make_kek: Callable[[str], str], storage: str) -> None:
    one, two, stranger = (make_kek(name) for name in ("one", "two", "stranger"))
    with kms_core.open_kms(stranger, storage) as kms:
        kms.create_dek("a")
    with (
        kms_core.open_kms([one, two, one], storage) as kms,
        pytest.raises(kms_core.KekNotFoundError) as caught,
    ):
        kms.get_dek("a")
    theirs, ours = kek_ids(stranger)[0], kek_ids(one, two)
    assert str(caught.value) == (
        f"kms://local: unwrap_dek of DEK 'a': it is wrapped by the KEK {theirs!r}, and "
        f"{ours[0]!r}, {ours[1]!r} are configured; configure the KEK that wrapped it too"
    )


def test_the_kek_that_wrapped_it_has_the_last_word(
    make_kek: Callable[[str], str], tmp_path: Path, storage: str
) -> None:
    """Its version is gone, or the record was altered: no other KEK's "not mine" hides that."""
    one, two = make_kek("one"), make_kek("two")
    lost = (tmp_path / "two").read_text()
    rotate_key_file(tmp_path / "two")
    with kms_core.open_kms(two, storage) as kms:
        kms.create_dek("a")
    (tmp_path / "two").write_text(lost)
    for keks in permutations([one, two]):
        with (
            kms_core.open_kms(keks, storage) as kms,
            pytest.raises(kms_core.KekNotFoundError, match="no such version"),
        ):
            kms.get_dek("a")
    with kms_core.open_kek(two) as kek:
        blob = kek.wrap(b"data", CONTEXT)
    for keks in permutations([one, two]):
        with kms_core.open_kek(keks) as kek, pytest.raises(kms_core.UnwrapError):
            kek.unwrap(blob[:-1] + bytes([blob[-1] ^ 1]), CONTEXT)


def test_what_may_pass_is_told_before_what_is_certain(
    make_kek: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A KEK that could not say whether it wrapped may be the one."""
    one, two, three = (make_kek(name) for name in ("one", "two", "three"))
    with kms_core.open_kek(three) as kek:
        blob = kek.wrap(b"data", CONTEXT)
    with kms_core.open_kek([one, two]) as keks:
        hooks: Any = keks._keks._keks[1]._hooks  # as an alias that cannot be looked up now
        unavailable = kms_core.UnavailableError("no answer; try again")

        def fail(**_arguments: object) -> None:
            raise unavailable

        monkeypatch.setattr(hooks, "unwrap_dek", fail)
        with pytest.raises(kms_core.UnavailableError):
            keks.unwrap(blob, CONTEXT)


def test_the_kek_that_opened_it_is_asked_first_from_then_on(
    make_kek: Callable[[str], str],
) -> None:
    one, two = make_kek("one"), make_kek("two")
    with kms_core.open_kek(two) as kek:
        blob = kek.wrap(b"data", CONTEXT)
    events: list[Event] = []
    with kms_core.open_kek([one, two], observers=[events.append]) as keks:
        for _ in range(3):
            keks.unwrap(blob, CONTEXT)
    seen = [event.outcome for event in events if event.operation == "unwrap_dek"]
    assert seen == ["declined", "done", "done", "done"]


def test_another_provider(make_kek: Callable[[str], str], storage: str) -> None:
    one, two = make_kek("one"), make_kek("two")
    with kms_core.open_kms(one, storage) as kms:
        kms.create_dek("a")
    path = Path(storage.partition("path=")[2].partition("&")[0], "dek-a.json")
    path.write_text(path.read_text().replace('"local"', '"aws"'))
    with (
        kms_core.open_kms([one, two], storage) as kms,
        pytest.raises(kms_core.KekNotFoundError, match="'aws', and kms://local is configured"),
    ):
        kms.get_dek("a")


def test_health_is_asked_of_all(make_kek: Callable[[str], str], storage: str) -> None:
    uris = [make_kek("one"), make_kek("two")]
    events: list[Event] = []
    with (
        kms_core.open_kms(uris, storage, observers=[events.append]) as kms,
        kms_core.open_kek(uris, observers=[events.append]) as kek,
    ):
        kms.check_health()
        kek.check_health()
    assert [event.operation for event in events].count("describe_kek") == 4
    assert [event.operation for event in events].count("close") == 5


@pytest.mark.parametrize("position", [0, 1])
def test_a_deriver_stands_alone(make_kek: Callable[[str], str], position: int) -> None:
    keks = [make_kek("one")]
    keks.insert(position, DERIVER)
    for opened in (kms_core.open_kms, kms_core.open_kek):
        with pytest.raises(kms_core.ConfigError, match="cluster-kms derives its DEKs, so it stand"):
            opened(keks)
    kms_core.open_kms([DERIVER]).close()


@pytest.mark.parametrize("kek", [[], (), [3], [["kms://local"]], ["kms://local", None]])
def test_what_is_no_list_of_keks(kek: Any) -> None:
    with pytest.raises(kms_core.ConfigError):
        load_choices(kek=kek)


@pytest.mark.parametrize(
    "text",
    [
        '[[kek]]\nbackend = "local"\nkeyFile = "a"\n[[kek]]\nbackend = "local"\nkeyFile = "b"\n',
        'kek = ["kms://local?keyFile=a", {backend = "local", keyFile = "b"}]\n',
    ],
)
def test_a_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kms.toml"
    path.write_text(text)
    found = load_choices(config=path).keks
    assert [dict(kek.parameters) for kek in found] == [{"keyFile": "a"}, {"keyFile": "b"}]
    assert {kek.folder for kek in found} == {tmp_path}


def test_a_retired_version_unwraps_nothing(
    make_kek: Callable[[str], str], tmp_path: Path, storage: str
) -> None:
    uri = make_kek("kek")
    with kms_core.open_kms(uri, storage) as kms, kms_core.open_kek(uri) as kek:
        dek, blob = kms.create_dek("a"), kek.wrap(b"data", CONTEXT)
    rotate_key_file(tmp_path / "kek")
    retiring = f"{uri}&retiredVersions=1,7"
    with kms_core.open_kms(retiring, storage) as kms, kms_core.open_kek(retiring) as kek:
        assert len(kms.create_dek("b")) == 32
        with pytest.raises(kms_core.KekDisabledError, match="version '1' of the KEK is among ret"):
            kms.get_dek("a")
        with pytest.raises(kms_core.KekDisabledError, match="rewrap the DEK by a configuration"):
            kek.unwrap(blob, CONTEXT)
    with kms_core.open_kms(uri, storage) as kms:
        assert kms.get_dek("a") == dek


def test_a_retired_version_wraps_nothing(make_kek: Callable[[str], str], storage: str) -> None:
    kek = {"backend": "local", "keyFile": make_kek("kek").partition("=")[2]}
    with kms_core.open_kms({**kek, "retiredVersions": ["1"]}, storage) as kms:
        for create in (kms.create_dek, lambda dek_id: kms.get_dek(dek_id, create=True)):
            with pytest.raises(kms_core.KekDisabledError, match="rotate the KEK"):
                create("a")
        assert list(kms.list_dek_ids()) == []


class Nameless(SmallKek):
    """Keeps its versions to itself, as AWS does."""

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        return replace(super().wrap_dek(dek, context), kek_version="")


def small(kek: SmallKek, *retired: str) -> KekClient:
    client = bind("kms://small", kek, "test")
    assert isinstance(client, KekClient)
    client.retired = retired
    return client


def test_a_kms_that_names_no_version_retires_none() -> None:
    """The list would have no effect, and nobody would know."""
    kms = SmallKms()
    wrapped = small(Nameless(kms, "one")).wrap_dek(b"dek", CONTEXT)
    client = small(Nameless(kms, "one"), "1")
    for call in (
        lambda: client.wrap_dek(b"dek", CONTEXT),
        lambda: client.unwrap_dek(wrapped, CONTEXT),
        lambda: client.rewrap_dek(wrapped, CONTEXT),
    ):
        with pytest.raises(kms_core.ConfigError, match="names no version"):
            call()


def test_the_kms_rewraps_neither_from_nor_to_a_retired_version() -> None:
    kms = SmallKms()
    wrapped = small(SmallKek(kms, "one")).wrap_dek(b"dek", CONTEXT)
    kms.keks["one"].append(bytes(32))
    for retired in "12":
        client = small(SmallKek(kms, "one"), retired)
        with pytest.raises(kms_core.KekDisabledError, match=f"version '{retired}'"):
            client.rewrap_dek(wrapped, CONTEXT)
    assert small(SmallKek(kms, "one"), "3").rewrap_dek(wrapped, CONTEXT).kek_version == "2"


@pytest.mark.parametrize("value", [1, [1], ["1", 2], [""], "1,,2", {"1": "2"}, None])
def test_what_is_no_list_of_versions(value: Any) -> None:
    kek = {"backend": "local", "keyFile": "k", "retiredVersions": value}
    with pytest.raises(kms_core.ConfigError, match="retiredVersions is a list of texts"):
        load_choices(kek=kek)


def test_a_deriver_retires_nothing() -> None:
    with pytest.raises(kms_core.ConfigError, match="without retiredVersions"):
        kms_core.open_kms(f"{DERIVER}&retiredVersions=1")
