"""The run-books of the documentation, run as they stand on a server for each cloud.

`kms` is the real command. So is `aws` where it is installed; elsewhere a program of this name
makes the call by boto3. `az` and `gcloud` are programs of ours: nothing leads the real ones to our
servers of Key Vault and Cloud KMS, which are in this process and do what they are told.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kms_core import Kms, open_kms
from kms_core.builtin.local.key_file import new_key_file
from tests.aws.cloud import REGION
from tests.cli.running import COMMAND, clean_environment
from tests.docs.pages import DOCS, fenced, section
from tests.fakes.aws.servers import ACCESS_KEY, ACCESS_KEY_ID
from tests.fakes.azure.key_vault import Version
from tests.fakes.gcp.kms_server import Key, State
from tests.fakes.thread import Handler, HttpServer, run_thread

PAGE = DOCS / "how-to" / "retire-a-kek-version.md"
DEKS = ("a", "b", "c")
Admin = Callable[[list[str]], str]
"""Does what a command's arguments say, and returns what it prints."""

AWS = """
import re, sys, boto3, jmespath
service, call, *options = sys.argv[1:]
given = dict(zip((name.removeprefix("--") for name in options[::2]), options[1::2], strict=True))
query, _ = given.pop("query", "@"), given.pop("output", "")
named = {"".join(word.title() for word in name.split("-")): text for name, text in given.items()}
print(jmespath.search(query, getattr(boto3.client(service), call.replace("-", "_"))(**named)))
"""
ASK = """
import json, os, sys, urllib.request
asked = urllib.request.Request(os.environ["ADMIN"], json.dumps(sys.argv[1:]).encode())
print(urllib.request.urlopen(asked).read().decode())
"""


class _Order(Handler):
    server: HttpServer

    def do_POST(self) -> None:  # noqa: N802 -- http.server's name
        [admin] = self.server.subject
        printed = admin(json.loads(self.read_body())).encode()
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(printed)))
        self.end_headers()
        self.wfile.write(printed)


@dataclass
class Shell:
    """Where the commands of a run-book run."""

    folder: Path
    environment: dict[str, str]

    def stand_in(self, name: str, program: str, **environment: str) -> None:
        """Put a program in the place of a cloud's command."""
        self.environment |= environment
        command = self.folder / name
        command.write_text(f"#!{sys.executable}\n{program}")
        command.chmod(0o755)

    def open(self, kek: dict[str, Any], storage: dict[str, Any]) -> Kms:
        """Open both, which from now on is what `kms` opens."""
        tables = (_table(name, config) for name, config in (("kek", kek), ("storage", storage)))
        (self.folder / "kms.toml").write_text("\n".join(tables))
        return open_kms(kek, storage)

    def run(self, heading: str) -> None:
        """Run all blocks under the heading. Before the rewrap, the inventory says it is due."""
        script = "\n".join(fenced(section(PAGE, heading), "sh"))
        proof = next(line for line in script.splitlines() if line.startswith("kms dek inventory"))
        before, rewrap, after = script.partition("kms dek rewrap --dry-run\n")
        assert rewrap
        script = f"set -eu\n{before}if {proof}; then exit 9; fi\n{rewrap}{after}"
        done = subprocess.run(
            ["sh"],
            input=script,
            cwd=self.folder,
            env=clean_environment(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, script + done.stdout + done.stderr
        assert f"{len(DEKS)} would be rewrapped" in done.stdout
        assert f"\n{len(DEKS)} rewrapped" in done.stdout


def _table(name: str, config: dict[str, Any]) -> str:
    lines = (f"{key} = {json.dumps(value)}" for key, value in config.items())
    return "\n".join([f"[{name}]", *lines])


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "kms").symlink_to(COMMAND)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return Shell(tmp_path, {"PATH": path, "KMS_CONFIG": str(tmp_path / "kms.toml")})


def check(kms: Kms, shell: Shell, heading: str) -> None:
    """Every DEK is readable afterwards, and as it was."""
    deks = {dek_id: kms.create_dek(dek_id) for dek_id in DEKS}
    shell.run(heading)
    assert {dek_id: kms.get_dek(dek_id) for dek_id in deks} == deks


def test_local(shell: Shell) -> None:
    key_file = shell.folder / "kek.toml"
    key_file.write_text(new_key_file())
    key_file.chmod(0o600)
    kek = {"backend": "local", "keyFile": str(key_file)}
    (shell.folder / "deks").mkdir(mode=0o700)
    with shell.open(kek, {"backend": "file", "path": str(shell.folder / "deks")}) as kms:
        check(kms, shell, "## kms://local")


@pytest.mark.rest
def test_aws(shell: Shell, request: pytest.FixtureRequest) -> None:
    moto = request.getfixturevalue("moto")
    key = moto.make_key()
    shell.environment |= {
        "KEY_ID": key,
        "AWS_ENDPOINT_URL": moto.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
    }
    if shutil.which("aws") is None:
        shell.stand_in("aws", AWS)
    shared = {"backend": "aws", **moto.parameters}
    with shell.open(shared | {"keyName": key}, shared | {"bucket": moto.make_bucket()}) as kms:
        check(kms, shell, "## AWS")


@pytest.fixture
def admin(shell: Shell) -> Iterator[Callable[[str, Admin], None]]:
    """Lets this process do what a stand-in is told."""
    orders: list[Admin] = []
    with run_thread(HttpServer(_Order, orders)) as url:

        def stand_in(name: str, does: Admin) -> None:
            orders.append(does)
            shell.stand_in(name, ASK, ADMIN=url)

        yield stand_in


@pytest.mark.rest
def test_azure(
    shell: Shell, request: pytest.FixtureRequest, admin: Callable[[str, Admin], None]
) -> None:
    azure = request.getfixturevalue("azure")
    vault = azure.vaults["vault.azure.net"]
    versions = vault.keys["deks"] = [Version("RSA")]

    def az(words: list[str]) -> str:
        assert words[:2] == ["keyvault", "key"]
        given = dict(zip(words[3::2], words[4::2], strict=True))
        assert (given.pop("--vault-name"), given.pop("--name")) == ("my-vault", "deks")
        if words[2] == "show":
            assert given == {"--query": "key.kid", "--output": "tsv"}
            return f"https://my-vault.vault.azure.net/keys/deks/{versions[-1].name}"
        if words[2] == "rotate":
            vault.rotate("deks")
            return "{}"
        assert (words[2], given.pop("--enabled")) == ("set-attributes", "false")
        [old] = (version for version in versions if version.name == given["--version"])
        old.enabled = False
        return "{}"

    admin("az", az)
    kek = azure.kek_parameters("deks")
    with shell.open(kek, azure.storage_parameters(azure.make_container())) as kms:
        check(kms, shell, "## Azure")
    assert [version.enabled for version in versions] == [False, True]


@pytest.mark.rest
def test_google(
    shell: Shell, request: pytest.FixtureRequest, admin: Callable[[str, Admin], None]
) -> None:
    gcp = request.getfixturevalue("gcp")
    key = gcp.kms.keys[gcp.resource("kek")] = Key()
    place = ["--keyring=deks", "--location=europe-west3", "--project=my-project"]

    def gcloud(words: list[str]) -> str:
        assert words[:3] == ["kms", "keys", words[2]]
        rest = [word for word in words[3:] if word not in place]
        assert len(rest) == len(words) - 3 - len(place)
        if words[2] == "describe":
            assert rest == ["kek", "--format=value(primary.name.basename())"]
            return str(key.primary)
        if rest[0] == "create":
            assert rest == ["create", "--key=kek", "--primary"]
            return str(key.rotate())
        action, version, named = rest
        assert named == "--key=kek"
        states = {"disable": State.DISABLED, "destroy": State.DESTROY_SCHEDULED}
        key.versions[int(version) - 1].state = states[action]
        return ""

    admin("gcloud", gcloud)
    kek = {"backend": "gcp", **gcp.kek_parameters("kek")}
    storage = {"backend": "gcp", **gcp.storage_parameters(gcp.make_bucket())}
    with shell.open(kek, storage) as kms:
        check(kms, shell, "## Google Cloud")
    assert [version.state for version in key.versions] == [State.DESTROY_SCHEDULED, State.ENABLED]
