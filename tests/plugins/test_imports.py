"""Opening a backend imports that backend and nothing of another; importing kms_core, still less."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugins.conftest import Run

HEAVY = {"boto3", "botocore", "azure", "google", "msgspec", "click", "stevedore", "cryptography"}
CLUSTER = f"kms://cluster-kms?key={'A' * 43}=&salt={'A' * 43}="
PRINT_MODULES = "\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"


def _modules(run: Run, code: str, site: Path | None = None) -> set[str]:
    return set(json.loads(run("-c", code + PRINT_MODULES, site=site)))


def _backends(modules: set[str]) -> set[str]:
    """The modules of plugins among those that are loaded, ours and the vendors' SDKs."""
    ours = {m for m in modules if m.startswith(("kms_core.builtin.", "kms_cluster", "stranger"))}
    return ours | modules & {"boto3", "azure", "google"}


def _open(kek: str, storage: str = "storage://no-store") -> str:
    return (
        f"import kms_core\nkms_core.open_kms({kek!r}, {storage!r}).get_dek('volume-1', create=True)"
    )


def test_importing_kms_core_loads_no_dependency_but_pluggy(run: Run) -> None:
    loaded = {name.partition(".")[0] for name in _modules(run, "import kms_core")}
    assert "kms_core" in loaded
    assert not loaded & HEAVY


def test_importing_kms_core_loads_no_loop_and_that_of_asyncio_no_other(run: Run) -> None:
    loops = {"asyncio", "kms_core.aio", "trio", "anyio"}
    assert not _modules(run, "import kms_core") & loops
    assert _modules(run, "import kms_core.aio") & loops == {"asyncio", "kms_core.aio"}


def test_importing_kms_core_imports_no_plugin(run: Run) -> None:
    assert _backends(_modules(run, "import kms_core")) == set()


def test_the_cluster_kms_imports_no_other_backend(run: Run) -> None:
    modules = _backends(_modules(run, _open(CLUSTER)))
    parts = {f"kms_cluster.{name}" for name in ("config", "deriver", "master_secret")}
    assert modules == {"kms_cluster", *parts}


def test_the_local_kek_and_file_storage_import_no_other_backend(
    run: Run, local_uri: str, file_uri: str
) -> None:
    modules = _backends(_modules(run, _open(local_uri, file_uri)))
    assert {"kms_core.builtin.local.kek", "kms_core.builtin.file.storage"} <= modules
    others = {"kms_cluster", "kms_core.builtin.memory", "kms_core.builtin.log"}
    assert not modules & others


def test_listing_backends_reads_metadata_alone(run: Run) -> None:
    listing = "from kms_core._plugins import registry\nassert registry.find_backends()"
    assert _backends(_modules(run, listing)) == set()


# stevedore keeps no index for an interpreter under /tmp, where this checkout may well be.
ELSEWHERE = "import sys\nsys.executable = '/opt/python'\n"


def test_no_entry_point_cache_is_written(
    run: Run, tmp_path: Path, local_uri: str, file_uri: str
) -> None:
    run("-c", ELSEWHERE + _open(local_uri, file_uri), home=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_entry_point_cache_is_read(
    run: Run, tmp_path: Path, local_uri: str, file_uri: str
) -> None:
    """Whoever may write stevedore's own index in the home would choose what is imported."""
    plain = (
        f"{ELSEWHERE}import stevedore\nprint(stevedore.DriverManager('kms.kek', 'local').driver)"
    )
    run("-c", plain, home=tmp_path)
    [index] = (tmp_path / ".cache" / "python-entrypoints").iterdir()
    index.write_text(index.read_text().replace("kms_core.builtin.local.kek", "attackers_module"))
    with pytest.raises(AssertionError, match="attackers_module"):  # plain stevedore falls for it
        run("-c", plain, home=tmp_path)
    run("-c", ELSEWHERE + _open(local_uri, file_uri), home=tmp_path)
