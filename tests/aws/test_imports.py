"""Who wraps with KMS alone pays for nothing of S3, and no log shows a DEK."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from secrets import token_bytes

import pytest
from botocore.loaders import JSONFileLoader

from kms_aws import client as client_module
from kms_core.testing._harness.leaks import search
from tests.aws.cloud import Cloud
from tests.fakes.aws.servers import ACCESS_KEY

SCRIPT = """
import json, sys
import kms_core
parameters, path = json.load(sys.stdin), sys.argv[1]
read = []
sys.addaudithook(lambda event, args: read.append(str(args[0])) if event == "open" else None)
with kms_core.open_kms(parameters, f"storage://file?path={path}&createFolder=true") as kms:
    kms.get_dek("id", create=True)
print(json.dumps([list(sys.modules), read]))
"""


def test_kek_alone_imports_no_s3(moto: Cloud, tmp_path: object) -> None:
    parameters = {"backend": "aws", **moto.parameters, "keyName": moto.make_key()}
    command = [sys.executable, "-c", SCRIPT, f"{tmp_path}/deks"]
    done = subprocess.run(
        command, input=json.dumps(parameters), capture_output=True, text=True, check=True
    )
    modules, files = json.loads(done.stdout)
    assert "kms_aws.kek" in modules
    assert "kms_aws.storage" not in modules
    assert any("/kms/" in file for file in files)
    assert [file for file in files if "/botocore/data/s3" in file] == []


def test_config_of_either_imports_no_sdk() -> None:
    script = "import sys, kms_aws.config; print([m for m in sys.modules if m.startswith('boto')])"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_debug_log_of_the_sdk(moto: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """boto3 itself logs each DEK; our calls do not, and those of others still do."""
    key, token = moto.make_key(), "a-session-token-of-this-test"
    kek = moto.open_kek(key, sessionToken=token)
    ours, others = token_bytes(32), token_bytes(32)
    with caplog.at_level(logging.DEBUG):
        wrapped = kek.wrap_dek(ours, {"dek_id": "id"})
        assert kek.unwrap_dek(wrapped, {"dek_id": "id"}) == ours
        texts = [(record.name, record.getMessage()) for record in caplog.records]
        search("any call", texts, [ours, token, ACCESS_KEY])
        assert texts
        caplog.clear()
        moto.admin("kms").encrypt(KeyId=key, Plaintext=others)
        texts = [(record.name, record.getMessage()) for record in caplog.records]
        with pytest.raises(AssertionError, match="botocore"):
            search("a call of botocore", texts, [others])


def test_another_client_reads_no_model_of_a_service_again(
    moto: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    moto.open_kek("alias/one").close()
    moto.open_storage("one").close()
    read: list[str] = []
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda _, path: read.append(path))
    moto.open_kek("alias/two").close()
    moto.open_storage("two").close()
    assert read == []


def test_opening_clients_does_not_grow_the_models(moto: Cloud) -> None:
    moto.open_kek("alias/one").close()
    before = [*client_module._models.search_paths]
    for _ in range(3):
        moto.open_kek("alias/one").close()
    assert client_module._models.search_paths == before
