"""A secret, however it was given, is in no output but that of ``kms dek get``."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import click
import pytest

from kms_core.cli.main import kms as kms_group
from tests.cli.running import Done, Kms, install, run_command
from tests.secret_files import write_private

SECRET = "bm9ib2R5LW1heS1zZWUtdGhpcy1tYXN0ZXItc2VjcmV0ISE="
PLAIN = urlsafe_b64decode(SECRET)
URI = f"kms://cluster-kms?key={SECRET}&salt={SECRET}"
FORMS = [SECRET, SECRET[:20], quote(SECRET), PLAIN.decode(), PLAIN.hex()]

COMMANDS = [
    ("config", "show"),
    ("config", "check"),
    ("config", "schema"),
    ("dek", "list"),
    ("dek", "get", "--create", "a\nb"),
    ("dek", "get", "--create", "a", "--size", "0"),
    ("dek", "create", "a"),
    ("dek", "show", "a", "--json"),
    ("dek", "inventory", "--deep", "--json"),
    ("dek", "rewrap", "--json"),
    ("dek", "delete", "a", "--yes"),
    ("dek", "migrate", "--to-kek", "kms://cluster-kms"),
    ("dek", "copy", "--to-storage", "storage://memory"),
    ("dek", "export", "archive"),
    ("dek", "import", "archive"),
    ("kek", "show", "--json"),
    ("kek", "rotate"),
    ("wrap",),
    ("unwrap",),
    ("auth-key",),
    ("doctor", "--json"),
    ("permissions", "aws"),
    ("audit", "verify", "trail"),
    ("init",),
    ("init", "aws"),
    ("init", "azure"),
    ("init", "gcp"),
    ("plugin", "new", "kms-acme", "--kind", "kek"),
    ("backends",),
    ("backends", "--check"),
    ("completion", "bash"),
    ("--help",),
]
SLOW = {("plugin", "check")}
"""Which has tests of its own."""


def assert_hidden(done: Done) -> None:
    for form in FORMS:
        assert form not in done.output
        assert form not in done.errors


def _all_commands(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group) and not command.invoke_without_command:
            yield from _all_commands(command, *names, name)
        else:
            yield (*names, name)


def test_every_command_is_tried() -> None:
    tried = {command[:2] for command in COMMANDS} | {command[:1] for command in COMMANDS} | SLOW
    assert [command for command in _all_commands(kms_group) if command not in tried] == []


@pytest.mark.parametrize("way", ["option", "uri variable", "variables", "files", "toml"])
def test_each_way_to_give_a_secret(kms: Kms, folder: Path, way: str) -> None:
    write_private(folder / "secret", SECRET)
    options: list[str] = []
    environment: dict[str, str] = {}
    if way == "option":
        options = ["--kek", URI]
    elif way == "uri variable":
        environment = {"KMS_KEK_URI": URI}
    elif way == "variables":
        options = ["--kek", "kms://cluster-kms"]
        environment = {f"KMS_KEK_CLUSTER_KMS_{name}": SECRET for name in ("KEY", "SALT")}
    elif way == "files":
        options = ["--kek", "kms://cluster-kms?keyFile=secret&saltFile=secret"]
    else:
        text = f'[kek]\nbackend = "cluster-kms"\nkey = "{SECRET}"\nsalt = "{SECRET}"\n'
        (folder / "kms.toml").write_text(text)
    assert (
        kms(*options, "dek", "get", "--create", "a", **environment).code == 0
    )  # the secret is in use
    for arguments in COMMANDS:
        assert_hidden(kms(*options, "--debug", *arguments, **environment))
    typed = " ".join(["kms", *options, "dek", "get", "--"])
    asked = {"_KMS_COMPLETE": "fish_complete", "COMP_WORDS": typed, "COMP_CWORD": "--"}
    assert_hidden(kms(**asked, **environment))


MISTAKES = [
    ("--kek", f"kms://cluster-kms?key={SECRET}!&salt={SECRET}", "dek", "get", "--create", "a"),
    ("--kek", f"kms://cluster-kms?key=a&b{SECRET}=c", "dek", "get", "--create", "a"),
    ("--kek", f"kms://cluster-kms?key={SECRET}&{SECRET}", "dek", "get", "--create", "a"),
    ("--kek", f"kms://cluster-kms?key={SECRET}&key={SECRET}", "dek", "get", "--create", "a"),
    ("--kek", f"kms://cluster-kmz?key={SECRET}", "dek", "get", "--create", "a"),
    ("--kek", f"kms://me:{SECRET}@cluster-kms", "dek", "get", "--create", "a"),
    ("--kek", f"cluster-kms?key={SECRET}", "dek", "get", "--create", "a"),
    ("--storage", URI, "dek", "list"),
    ("--config", URI, "dek", "list"),
    ("--config", URI, "init"),
    (URI,),
    (f"kms://me:{SECRET}@cluster-kms", "dek"),
    ("dek", "get", "--create", "a", URI),
    ("dek", "get", "--create", "a", "--kek", URI),
    ("dek", "get", "--create", "a", f"--kek={URI}"),
    ("dek", "get", "--create", "a", "--size", URI),
    ("dek", "get", "--create", "a", "--format", URI),
    ("init", "--kek", URI),
    ("--debug", URI, "config", "show"),
]


@pytest.mark.parametrize("arguments", MISTAKES)
def test_each_mistake_with_a_secret(kms: Kms, arguments: tuple[str, ...]) -> None:
    for options in ((), ("--debug",)):
        done = kms(*options, *arguments)
        assert done.code == 2
        assert_hidden(done)


def test_a_uri_where_the_environment_should_have_a_path(kms: Kms) -> None:
    done = kms("--debug", "dek", "list", KMS_CONFIG=URI)
    assert done.code == 2
    assert "the config is a path, not a URI" in done.errors
    assert_hidden(done)


@pytest.mark.parametrize("text", [f'key = "{SECRET}', f'{SECRET}\nkey = "', f'[kek]\n"{SECRET}"'])
def test_a_file_that_is_not_toml(kms: Kms, folder: Path, text: str) -> None:
    kms("init")
    for name in ("kms.toml", "kek.toml"):
        before = (folder / name).read_text()
        (folder / name).write_text(text)
        done = kms("--debug", "dek", "get", "--create", "a")
        assert done.code == 2
        assert "it is not TOML" in done.errors
        assert_hidden(done)
        (folder / name).write_text(before)


LEAKY = """
from kms_core import KekInfo
from kms_core.backend import DeriverSpec, hookimpl
from kms_core.backend import BackendConfig, SecretStr
class Leaky(DeriverSpec):
    class Config(BackendConfig):
        key: SecretStr
    def __init__(self, config):
        try:
            raise ValueError(config.key.get_secret_value())
        except ValueError as error:
            raise RuntimeError(config.key.get_secret_value()) from error
    @hookimpl
    def derive_dek(self, dek_id, size): ...
    @hookimpl
    def describe_kek(self): ...
    @hookimpl
    def close(self): ...
"""


def test_an_sdk_whose_errors_repeat_the_secret(tmp_path: Path) -> None:
    install(tmp_path, "leaky", "[kms.kek]\nleaky = leaky_mod:Leaky\n", leaky_mod=LEAKY)
    done = run_command(
        "--debug", "--kek", f"kms://leaky?key={SECRET}", "dek", "get", "--create", "a",
        PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.code == 2
    assert "raised RuntimeError when opened" in done.errors
    assert "leaky_mod.py" in done.errors
    assert_hidden(done)
