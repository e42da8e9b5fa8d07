"""Parameters are checked against the backend's model, and secrets are found and hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import pytest
from msgspec import Meta

import kms_core
from kms_core._config.choices import ChosenBackend
from kms_core._plugins.parameters import read_parameters
from kms_core.backend import BackendConfig, Endpoint, SecretBytes, SecretStr
from tests.secret_files import write_private

SECRET = "hunter2hunter2"


class Odd(str):
    """A field's class that shows what it was given, and says so as a cause."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        try:
            int(text)
        except ValueError as error:
            raise ValueError("is not a number") from error
        raise AssertionError


class Clumsy(str):
    """A field's class with a mistake of its own."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, text + None)  # type: ignore[operator]  # the mistake


class Model(BackendConfig):
    vault: str
    client_secret: SecretStr | None = None
    pin: SecretBytes | None = None
    key_path: Path | None = None
    read_timeout: float = 10.0
    place: Literal["here", "there"] = "here"
    odd: Odd | None = None


class Described(BackendConfig):
    name: Annotated[str, Meta(pattern=r"^[a-z]+\Z", description="is no name; give letters")] = "x"
    other_name: (
        Annotated[str, Meta(max_length=3, description="is too long; give 3 letters")] | None
    ) = None
    bare: Annotated[str, Meta(pattern=r"^[a-z]+\Z")] = "x"


class Pair(BackendConfig):
    one: int
    the_other: int

    def __post_init__(self) -> None:
        if self.one == self.the_other:
            raise ValueError("one is theOther")


class Strange(BackendConfig):
    one: Clumsy


def load(folder: Path = Path(), /, **parameters: object) -> Model:
    return read_parameters(Model, ChosenBackend("kms", "acme-hsm", parameters, folder))


def test_names_are_camel_case() -> None:
    config = load(vault="v", clientSecret=SECRET, readTimeout="2.5")
    assert config.client_secret is not None
    assert config.client_secret.get_secret_value() == SECRET
    assert config.read_timeout == 2.5
    assert SECRET not in repr(config)
    assert SECRET not in str(config)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("vualt", "vault"), ("clientsecret", "clientSecret"), ("pinfile", "pinFile")],
)
def test_an_unknown_parameter_names_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(kms_core.ConfigError, match=f"did you mean '{near}'"):
        load(**{"vault": "v", wrong: SECRET})


def test_an_unknown_parameter_that_may_be_a_piece_of_a_secret_is_not_shown() -> None:
    with pytest.raises(kms_core.ConfigError) as caught:
        load(vault="v", **{SECRET: "x"})
    assert SECRET not in str(caught.value)
    assert "parameter 2 is unknown; it takes" in str(caught.value)


def test_all_that_is_missing_is_named() -> None:
    with pytest.raises(kms_core.ConfigError, match="kms://pair: one, theOther are required"):
        read_parameters(Pair, ChosenBackend("kms", "pair", {}, Path()))


def test_a_rule_about_two_fields() -> None:
    with pytest.raises(kms_core.ConfigError, match="kms://pair: one is theOther"):
        read_parameters(Pair, ChosenBackend("kms", "pair", {"one": "1", "theOther": 1}, Path()))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("name", "A1", "name is no name; give letters"),
        ("otherName", "four", "otherName is too long; give 3 letters"),
        ("otherName", 4, "otherName: expected `str | null`, got `int`"),
        ("bare", "A1", "bare: expected `str` matching regex"),
    ],
)
def test_a_constraint_is_told_in_its_own_words(name: str, value: object, words: str) -> None:
    with pytest.raises(kms_core.ConfigError) as caught:
        read_parameters(Described, ChosenBackend("kms", "described", {name: value}, Path()))
    assert f"kms://described: {words}" in str(caught.value)


def test_a_mistake_in_the_class_of_a_field_is_not_the_users() -> None:
    with pytest.raises(TypeError, match="can only concatenate") as caught:
        read_parameters(Strange, ChosenBackend("kms", "strange", {"one": "1"}, Path()))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("readTimeout", SECRET),
        ("clientSecret", [SECRET]),
        ("vault", {SECRET: SECRET}),
        ("place", SECRET),
        ("odd", SECRET),
    ],
)
def test_a_wrong_value_is_not_shown(name: str, value: object) -> None:
    with pytest.raises(kms_core.ConfigError) as caught:
        load(**{"vault": "v", name: value})
    message = str(caught.value)
    assert message.startswith(f"kms://acme-hsm: {name}")
    assert SECRET not in message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "what a field's class raised may hold the value"


def test_a_secret_from_a_file_beside_the_config(tmp_path: Path) -> None:
    write_private(tmp_path / "pin", f"{SECRET}\n")
    config = load(tmp_path, vault="v", pinFile="pin")
    assert config.pin is not None
    assert config.pin.get_secret_value() == SECRET.encode()


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read: No such file"), (b"\xff\xfe", "is not UTF-8 text")],
)
def test_a_secret_file_that_cannot_be_read(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    if content is not None:
        write_private(tmp_path / "pin", content)
    with pytest.raises(kms_core.ConfigError, match=f"the file of pinFile {problem}") as caught:
        load(tmp_path, vault="v", pinFile="pin")
    assert caught.value.__context__ is None


def test_a_secret_mistaken_for_its_file_is_not_shown() -> None:
    with pytest.raises(kms_core.ConfigError) as caught:
        load(vault="v", pinFile=SECRET)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("path", ["a\0b", "~nobody-of-this-name/x"])
@pytest.mark.parametrize("name", ["keyPath", "pinFile"])
def test_a_path_that_leads_nowhere(path: str, name: str) -> None:
    with pytest.raises(kms_core.ConfigError, match=r"NUL|unknown user"):
        load(vault="v", **{name: path})


def test_a_secret_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMS_KEK_ACME_HSM_CLIENT_SECRET", SECRET)
    config = load(vault="v")
    assert config.client_secret is not None
    assert config.client_secret.get_secret_value() == SECRET


def test_the_environment_overrides_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KMS_KEK_ACME_HSM_CLIENT_SECRET", "from the environment")
    monkeypatch.setenv("KMS_KEK_ACME_HSM_VAULT", "from the environment")
    write_private(tmp_path / "secret", SECRET)
    for config in (
        load(vault="v", clientSecret=SECRET),
        load(tmp_path, vault="v", clientSecretFile="secret"),
    ):
        assert config.client_secret is not None
        assert config.client_secret.get_secret_value() == SECRET
        assert config.vault == "v"


def test_a_secret_twice(tmp_path: Path) -> None:
    with pytest.raises(kms_core.ConfigError, match="pin or pinFile, not both"):
        load(tmp_path, vault="v", pin=SECRET, pinFile="pin")


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load(tmp_path, vault="v", keyPath="a/b").key_path == tmp_path / "a/b"
    assert load(tmp_path, vault="v", keyPath="/a/b").key_path == Path("/a/b")
    assert load(tmp_path, vault="v", keyPath="~/b").key_path == Path("/home/somebody/b")
    assert Model(vault="v", key_path=Path("a")).key_path == Path("a")


def test_an_endpoint_may_end_in_a_slash() -> None:
    assert Endpoint("https://kms.internal:8443/") == Endpoint("https://kms.internal:8443")
