"""Who may read or change a secret's file, judged as Kubernetes, systemd and Docker hand it out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import kms_core
from kms_core._config.choices import ChosenBackend
from kms_core._plugins.parameters import read_parameters
from kms_core.backend import BackendConfig, SecretStr, read_secret_file
from kms_core.builtin.local.key_file import new_key_file
from tests.secret_files import write_private

AM_ROOT = os.geteuid() == 0
ROOT, OTHER = 0, 10002
SERVICE = 10001 if AM_ROOT else os.geteuid()
SHARED_GROUP = 20002

needs_root = pytest.mark.skipif(not AM_ROOT, reason="only root can give a file away")


@pytest.fixture
def be_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judges as the user of a service does; root still opens the files."""
    if AM_ROOT:
        monkeypatch.setattr(os, "geteuid", lambda: SERVICE)
        monkeypatch.setattr(os, "getegid", lambda: SERVICE)


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Path]:
    def place(owner: int, group: int, mode: int, folder_mode: int = 0o755) -> Path:
        tmp_path.chmod(folder_mode)
        path = write_private(tmp_path / "a secret", "secret")
        if AM_ROOT:
            os.chown(path, owner, group)
        path.chmod(mode)
        return path

    return place


def run_cure(message: str) -> None:
    """Do what the message says, as root would."""
    command = re.search(r"run: (.+)$", message)
    assert command, message
    subprocess.run(command[1].replace("sudo ", ""), shell=True, check=True)


ACCEPTED = {
    "its own": (SERVICE, SERVICE, 0o600),
    "its own, read-only": (SERVICE, SERVICE, 0o400),
    "Kubernetes with fsGroup and defaultMode 0400": (ROOT, SHARED_GROUP, 0o440),
    "Kubernetes with fsGroup and defaultMode 0600": (ROOT, SHARED_GROUP, 0o640),
    "systemd, whose access control list shows as a group's": (ROOT, ROOT, 0o440),
    "Docker Swarm": (ROOT, ROOT, 0o444),
}
REFUSED = {
    "its own, for others to read": (SERVICE, SERVICE, 0o644, "has mode 0644.*read it"),
    "its own, for the group to read": (SERVICE, SERVICE, 0o640, "has mode 0640.*read it"),
    "its own, for the group to write": (SERVICE, SERVICE, 0o660, "has mode 0660.*change it"),
    "its own, for all": (SERVICE, SERVICE, 0o666, "has mode 0666.*change it"),
    "root's, for the group to write": (ROOT, SHARED_GROUP, 0o660, "has mode 0660.*change it"),
    "root's, for all to write": (ROOT, ROOT, 0o666, "has mode 0666.*change it"),
    "root's, in a folder of the machine": (ROOT, ROOT, 0o644, "has mode 0644.*read it"),
    "somebody else's": (OTHER, OTHER, 0o444, f"belongs to user {OTHER}, who may change it"),
}


def _rows(table: dict[str, tuple[object, ...]]) -> list[object]:
    return [
        pytest.param(*row, id=what, marks=() if row[0] == SERVICE else needs_root)
        for what, row in table.items()
    ]


@pytest.mark.parametrize(("owner", "group", "mode"), _rows({**ACCEPTED}))
@pytest.mark.usefixtures("be_service")
def test_what_is_accepted(place: Callable[..., Path], owner: int, group: int, mode: int) -> None:
    assert read_secret_file(place(owner, group, mode)) == b"secret"


@pytest.mark.parametrize(("owner", "group", "mode", "problem"), _rows({**REFUSED}))
@pytest.mark.usefixtures("be_service")
def test_what_is_refused_and_its_cure(
    place: Callable[..., Path], owner: int, group: int, mode: int, problem: str
) -> None:
    path = place(owner, group, mode)
    for _ in range(2):  # a file of another user may need its mode changed as well
        with pytest.raises(kms_core.AccessDeniedError, match=problem) as caught:
            read_secret_file(path)
        run_cure(str(caught.value))
        problem = "mode"
        if path.stat().st_mode & 0o777 in {0o600, 0o640}:
            break
    assert read_secret_file(path) == b"secret"


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o666, 0o601])
@needs_root
def test_root_is_no_exception(place: Callable[..., Path], mode: int) -> None:
    path = place(ROOT, ROOT, mode)
    with pytest.raises(kms_core.AccessDeniedError, match=f"mode {mode:04o}") as caught:
        read_secret_file(path)
    run_cure(str(caught.value))
    assert read_secret_file(path) == b"secret"


@needs_root
def test_a_service_as_root_takes_no_users_file(place: Callable[..., Path]) -> None:
    path = place(OTHER, OTHER, 0o600)
    with pytest.raises(kms_core.AccessDeniedError, match=f"belongs to user {OTHER}") as caught:
        read_secret_file(path)
    run_cure(str(caught.value))
    assert read_secret_file(path) == b"secret"


@pytest.mark.usefixtures("be_service")
def test_a_folder_that_others_may_write(place: Callable[..., Path]) -> None:
    path = place(SERVICE, SERVICE, 0o600, folder_mode=0o777)
    with pytest.raises(kms_core.AccessDeniedError, match=r"has mode 0777.*replace") as caught:
        read_secret_file(path)
    run_cure(str(caught.value))
    assert read_secret_file(path) == b"secret"


@pytest.mark.usefixtures("be_service")
def test_a_sticky_folder(place: Callable[..., Path]) -> None:
    assert read_secret_file(place(SERVICE, SERVICE, 0o600, folder_mode=0o1777)) == b"secret"


@needs_root
@pytest.mark.usefixtures("be_service")
def test_a_folder_of_a_group(place: Callable[..., Path]) -> None:
    path = place(SERVICE, SERVICE, 0o600, folder_mode=0o775)
    os.chown(path.parent, SERVICE, SERVICE)  # where each user has a group of the same number
    assert read_secret_file(path) == b"secret"
    os.chown(path.parent, SERVICE, SHARED_GROUP)
    with pytest.raises(kms_core.AccessDeniedError, match=r"has mode 0775.*replace"):
        read_secret_file(path)


@needs_root
@pytest.mark.usefixtures("be_service")
def test_a_folder_of_somebody_else(place: Callable[..., Path]) -> None:
    path = place(SERVICE, SERVICE, 0o600)
    os.chown(path.parent, OTHER, OTHER)
    with pytest.raises(kms_core.AccessDeniedError, match=f"belongs to user {OTHER}") as caught:
        read_secret_file(path)
    run_cure(str(caught.value))
    assert read_secret_file(path) == b"secret"


@needs_root
@pytest.mark.usefixtures("be_service")
def test_a_link_in_a_folder_that_others_may_write(place: Callable[..., Path]) -> None:
    path = place(SERVICE, SERVICE, 0o600)
    shared = path.parent / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "link").symlink_to(path)
    with pytest.raises(kms_core.AccessDeniedError, match="shared' has mode 0777"):
        read_secret_file(shared / "link")


@needs_root
@pytest.mark.usefixtures("be_service")
def test_the_folders_of_kubernetes(tmp_path: Path) -> None:
    """A volume of a Secret with fsGroup, as `ls -la` shows it in a pod."""
    volume = tmp_path / "kms"
    version = volume / "..2026_01_31_23_59_59.1234567890"
    version.mkdir(parents=True)
    secret = write_private(version / "salt", "secret")
    (volume / "..data").symlink_to(version.name)
    (volume / "salt").symlink_to("..data/salt")
    for path, mode in ((volume, 0o3777), (version, 0o2755), (secret, 0o440)):
        os.chown(path, ROOT, SHARED_GROUP)
        path.chmod(mode)
    assert read_secret_file(volume / "salt") == b"secret"


@needs_root
def test_a_read_only_mount(tmp_path: Path) -> None:
    """Kubernetes mounts the files of a Secret so, and with mode 0644 unless told otherwise."""
    code = (
        "import sys, pathlib; from kms_core.backend import read_secret_file as read;"
        "print(read(pathlib.Path(sys.argv[1])))"
    )
    script = (
        'mount -t tmpfs -o mode=755 none "$1" && echo secret >"$1/key" && chmod "$2" "$1/key" && '
        'mount -o remount,ro "$1" || exit 77; "$3" -c "$4" "$1/key"'
    )
    for mode, expected in (("644", "b'secret"), ("666", "give it mode 0440 where it is mounted")):
        command = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), mode]
        done = subprocess.run(
            [*command, sys.executable, code], capture_output=True, text=True, check=False
        )
        if done.returncode not in {0, 1}:
            pytest.skip("may not mount here")
        assert expected in done.stdout + done.stderr


KEKS = ("kms://local?keyFile=", "kms://cluster-kms?saltFile=/dev/null&keyFile=")


@pytest.mark.parametrize("kek", KEKS)
def test_what_is_no_file_does_not_hang(kek: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "."):
        with pytest.raises(kms_core.KmsError, match=r"no regular file|Is a directory"):
            kms_core.open_kms(f"{kek}{tmp_path}/{name}")
    with pytest.raises(kms_core.AccessDeniedError, match=r"no regular file|may change it"):
        kms_core.open_kms(f"{kek}/dev/zero")


def test_a_file_without_end(tmp_path: Path) -> None:
    path = write_private(tmp_path / "key", "")
    os.truncate(path, 2**40)
    with pytest.raises(kms_core.AccessDeniedError, match="has more than 1048576 bytes"):
        read_secret_file(path)


@pytest.mark.parametrize("kek", KEKS)
def test_every_backend_asks_who_may_change_a_secret(kek: str, tmp_path: Path) -> None:
    path = write_private(tmp_path / "key", new_key_file())
    path.chmod(0o666)
    with pytest.raises(kms_core.AccessDeniedError, match="has mode 0666") as caught:
        kms_core.open_kms(f"{kek}{path}")
    assert str(caught.value).startswith(f"{kek.partition('?')[0]}: open: ")


class Pinned(SecretStr):
    public = True


def test_what_is_public_but_must_be_the_right_one(tmp_path: Path) -> None:
    class Config(BackendConfig):
        pinned: Pinned

    chosen = ChosenBackend("kms", "acme", {"pinnedFile": "pinned"}, tmp_path)
    path = write_private(tmp_path / "pinned", "value\n")
    path.chmod(0o644)
    assert read_parameters(Config, chosen).pinned.get_secret_value() == "value"
    path.chmod(0o664)
    with pytest.raises(kms_core.AccessDeniedError, match="mode 0664, so others may change it"):
        read_parameters(Config, chosen)


def test_a_byte_order_mark(tmp_path: Path) -> None:
    path = write_private(tmp_path / "kek.toml", "\ufeff" + new_key_file())
    kms_core.open_kms(f"kms://local?keyFile={path}", "storage://memory").close()
    zeros = "A" * 43 + "="
    path = write_private(tmp_path / "key", f"\ufeff{zeros}\r\n")
    with (
        kms_core.open_kms(f"kms://cluster-kms?keyFile={path}&salt={zeros}") as kms,
        kms_core.open_kms(f"kms://cluster-kms?key={zeros}&salt={zeros}") as same,
    ):
        assert kms.get_dek("a") == same.get_dek("a")
