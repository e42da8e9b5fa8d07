"""``kms audit verify`` names what was done to a trail."""

from __future__ import annotations

from pathlib import Path

from tests.cli.running import Kms


def write_trail(kms: Kms, folder: Path, key: str = "") -> Path:
    kms("init")
    config = folder / "kms.toml"
    key_line = f', key = "{key}"' if key else ""
    observers = f'observers = [{{ backend = "audit", path = "audit.jsonl"{key_line} }}]\n'
    config.write_text(observers + config.read_text())
    for dek_id in "abc":
        assert kms("dek", "create", dek_id, "--output", "dek").code == 0
    return folder / "audit.jsonl"


def test_a_whole_trail(kms: Kms, folder: Path) -> None:
    write_trail(kms, folder)
    done = kms("audit", "verify", "audit.jsonl")
    assert (done.code, done.errors) == (0, "")
    [head] = done.output.splitlines()
    assert kms("audit", "verify", "audit.jsonl", "--head", head).code == 0


def test_what_is_found(kms: Kms, folder: Path) -> None:
    trail = write_trail(kms, folder)
    head = kms("audit", "verify", "audit.jsonl").output.strip()
    first, second, third = trail.read_bytes().splitlines(keepends=True)
    trail.write_bytes(first + second.replace(b'"b"', b'"x"') + third)
    done = kms("audit", "verify", "audit.jsonl")
    assert done.code == 1
    assert done.errors.startswith("kms: audit.jsonl:2: it was changed")
    trail.write_bytes(first + second)
    assert kms("audit", "verify", "audit.jsonl").code == 0
    done = kms("audit", "verify", "audit.jsonl", "--head", head)
    assert (done.code, "line 3" in done.errors) == (1, True)
    trail.write_bytes(first + second + third[:80])
    done = kms("audit", "verify", "audit.jsonl")
    assert (done.code, done.errors.count("audit.jsonl:3: ")) == (0, 1)


def test_rotated_files(kms: Kms, folder: Path) -> None:
    trail = write_trail(kms, folder)
    trail.rename(folder / "audit.jsonl.1")
    assert kms("dek", "get", "a").code == 0
    assert kms("audit", "verify", "audit.jsonl.1", "audit.jsonl").code == 0
    assert kms("audit", "verify", "audit.jsonl").code == 1
    assert kms("audit", "verify", "audit.jsonl", "audit.jsonl.1").code == 1


def test_a_key(kms: Kms, folder: Path) -> None:
    key = "a key of the hashes, of 32 bytes or more"
    write_trail(kms, folder, key)
    (folder / "key").touch(0o600)
    (folder / "key").write_text(key + "\n")
    assert kms("audit", "verify", "--key-file", "key", "audit.jsonl").code == 0
    done = kms("audit", "verify", "audit.jsonl")
    assert (done.code, "another key" in done.errors) == (1, True)


def test_wrong_usage(kms: Kms, folder: Path) -> None:
    assert "missing.jsonl" in kms("audit", "verify", "missing.jsonl").errors
    (folder / "empty").touch()
    done = kms("audit", "verify", "--head", "nonsense", "empty")
    assert (done.code, "CHAIN:NUMBER:HASH" in done.error) == (2, True)
    (folder / "key").write_bytes(b"\xff")
    (folder / "key").chmod(0o600)
    assert "is not UTF-8" in kms("audit", "verify", "--key-file", "key", "empty").error
