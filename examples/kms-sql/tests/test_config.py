"""What a wrong URL is told, and that nobody is told its password."""

from __future__ import annotations

import socket
import traceback
from pathlib import Path

import pytest
from kms_core import ConfigError, UnavailableError, open_kms

from kms_sql.config import SqlStorageConfig
from kms_sql.storage import SqlStorage

HIDDEN = "password-that-nobody-may-see"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"postgresql+psycopg://u:{HIDDEN}@h:{HIDDEN}/d", "url is not DIALECT"),
        (HIDDEN, "url is not DIALECT"),
        (f"nothing://u:{HIDDEN}@h/d", "url is not DIALECT"),
        (f"postgresql+asyncpg://u:{HIDDEN}@h/d", "url names a driver for asyncio"),
        (f"mysql+mysqldb://u:{HIDDEN}@h/d", r"driver MySQLdb of mysql\+mysqldb is not installed"),
        (f"sqlite:////nowhere/deks.db?timeout={HIDDEN}", "an option in url"),
        ("sqlite://", "url is a database in memory"),
        ("sqlite:///:memory:", "url is a database in memory"),
        ("sqlite:///file:deks?mode=memory&uri=true", "url is a database in memory"),
    ],
)
def test_a_url_that_is_of_no_use_is_refused(kek: dict[str, str], url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        open_kms(kek, {"backend": "sql", "url": url})
    assert HIDDEN not in "".join(traceback.format_exception(raised.value))


def test_a_port_at_which_nobody_listens(kek: dict[str, str]) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://u:{HIDDEN}@127.0.0.1:{reserved.getsockname()[1]}/d"
        with (
            pytest.raises(UnavailableError, match="nobody listens there; correct url") as raised,
            open_kms(kek, {"backend": "sql", "url": url}) as kms,
        ):
            kms.get_dek("volume-42", create=True)
    assert HIDDEN not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("table", ["deks; drop table deks", 'de"ks', "", "1deks", "d" * 64])
def test_a_table_that_is_no_plain_name_is_refused(kek: dict[str, str], table: str) -> None:
    storage = {"backend": "sql", "url": "sqlite:////nowhere/deks.db", "table": table}
    with pytest.raises(ConfigError, match="table"):
        open_kms(kek, storage)


def test_the_url_may_be_in_a_file(kek: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.touch(mode=0o600)
    file.write_text(f"sqlite:///{tmp_path}/deks.db\n")
    storage = f"storage://sql?urlFile={file}&createTable=true"
    with open_kms(kek, storage) as kms:
        dek = kms.get_dek("volume-42", create=True)
        assert kms.get_dek("volume-42", create=False) == dek


def test_the_url_may_be_in_the_environment(
    kek: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMS_STORAGE_SQL_URL", f"sqlite:///{tmp_path}/deks.db")
    with open_kms(kek, "storage://sql?createTable=true") as kms:
        assert len(kms.get_dek("volume-42", create=True)) == 32


def test_the_description_has_no_user_password_or_option() -> None:
    url = f"postgresql+psycopg://u:{HIDDEN}@h:5432/d?sslkey={HIDDEN}"
    storage = SqlStorage(SqlStorageConfig.from_parameters({"url": url}))
    assert storage.describe_storage().location == "table kms_records of postgresql://h:5432/d"
    assert HIDDEN not in repr(vars(storage))
