"""What only a token can say: PINs, labels, keys that are no KEK."""

from __future__ import annotations

import ctypes
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from kms_core import (
    AccessDeniedError,
    ConfigError,
    DekSizeError,
    KekDisabledError,
    KekNotFoundError,
    Kms,
    KmsError,
    UnavailableError,
    UnwrapError,
    open_kek,
    open_kms,
)
from kms_core.backend import translate_errors
from pkcs11 import Attribute, Session, exceptions
from pkcs11.types import DecryptMixin
from softhsm import PIN, TWINS, SoftHsm

from kms_pkcs11.errors import ERRORS

pytestmark = pytest.mark.filterwarnings("ignore:storage.//memory loses every DEK:UserWarning")
CONTEXT = {"dek_id": "volume-42"}
WRONG_PIN = "another-pin-of-nobody"


def opened(softhsm: SoftHsm, key: str, **more: object) -> Kms:
    """The KEK and a store through the façade, as a user opens them."""
    kek = {"backend": "pkcs11", **softhsm.parameters, "key": key, **more}
    return open_kms(kek, "storage://memory")


@pytest.mark.parametrize(
    ("more", "kind", "says"),
    [
        ({"pin": WRONG_PIN}, AccessDeniedError, "correct pin"),
        ({"token": "nowhere"}, KekNotFoundError, "correct token"),
        ({"token": TWINS}, KekNotFoundError, "give each its own"),
        ({"module": "/nowhere/module.so"}, ConfigError, "/nowhere/module.so cannot be loaded"),
    ],
)
def test_the_error_says_what_to_correct(
    softhsm: SoftHsm, key: str, more: dict[str, str], kind: type[KmsError], says: str
) -> None:
    with opened(softhsm, key, **more) as kms, pytest.raises(kind, match=says) as raised:
        kms.get_dek("volume-42", create=True)
    shown = "".join(traceback.format_exception(raised.value))
    assert PIN not in shown
    assert WRONG_PIN not in shown


def test_a_dek_that_is_too_large_is_no_outage() -> None:
    """SoftHSM wraps every size, so the module's answer is made here."""
    with (
        pytest.raises(DekSizeError, match="ask for a smaller one"),
        translate_errors(ERRORS, "a session", "a token"),
    ):
        raise exceptions.DataLenRange


def test_a_library_that_is_no_module_is_a_config_error(softhsm: SoftHsm, key: str) -> None:
    library = next(Path(pkcs11.__file__).parent.glob("_pkcs11.*"))  # any other shared library
    kek = softhsm.open_kek(key, module=library)
    with pytest.raises(ConfigError, match="cannot be loaded as a PKCS #11 module"):
        kek.describe_kek()


def test_another_pin_gets_no_share_in_a_login(softhsm: SoftHsm, key: str) -> None:
    kek, other = softhsm.open_kek(key), softhsm.open_kek(key, pin=WRONG_PIN)
    kek.describe_kek()
    with pytest.raises(ConfigError, match="with another PIN"):
        other.describe_kek()
    other.close()
    kek.describe_kek()
    kek.close()
    with pytest.raises(AccessDeniedError):
        other.describe_kek()


def test_the_last_client_logs_out(softhsm: SoftHsm, key: str) -> None:
    first, last = softhsm.open_kek(key), softhsm.open_kek(key)
    with softhsm.open_token() as session:
        for kek in (first, last):
            kek.describe_kek()
        first.close()
        assert is_visible(session, key)
        last.close()
        assert not is_visible(session, key)


def test_the_login_of_others_is_left_alone(softhsm: SoftHsm, key: str) -> None:
    with softhsm.open_token(PIN) as session:
        with pytest.raises(ConfigError, match="a token of its own"):
            softhsm.open_kek(key).describe_kek()
        assert is_visible(session, key)


def is_visible(session: Session, key: str) -> bool:
    """A private key is, as long as the process is logged in."""
    return list(session.get_objects({Attribute.LABEL: key})) != []


# python-pkcs11 also ends the search that its module has refused to begin.
@pytest.mark.filterwarnings("ignore:.*pkcs11:pytest.PytestUnraisableExceptionWarning")
def test_after_a_failure_it_logs_in_again(softhsm: SoftHsm, key: str) -> None:
    kek = softhsm.open_kek(key)
    kek.describe_kek()
    pkcs11.lib(str(softhsm.module)).reinitialize()  # ends all sessions, as a token that was away
    with pytest.raises(UnavailableError, match="try again"):
        kek.describe_kek()
    kek.describe_kek()


def test_after_a_logout_by_others_it_logs_in_again(softhsm: SoftHsm, key: str) -> None:
    kek = softhsm.open_kek(key)
    kek.describe_kek()
    with softhsm.open_token() as session:
        handle: int = getattr(session, "handle")  # noqa: B009 -- its types leave it out
        ctypes.CDLL(str(softhsm.module)).C_Logout(ctypes.c_ulong(handle))
    with pytest.raises(KekNotFoundError):
        kek.describe_kek()
    kek.describe_kek()


@pytest.mark.parametrize("attributes", [{"EXTRACTABLE": True}, {"SENSITIVE": False}, {"bits": 128}])
def test_a_key_that_can_leave_or_is_short_is_no_kek(
    softhsm: SoftHsm, attributes: dict[str, Any]
) -> None:
    kek = softhsm.open_kek(softhsm.make_key(**attributes))
    with pytest.raises(KekNotFoundError, match="sensitive and not extractable"):
        kek.wrap_dek(bytes(32), CONTEXT)


def test_two_keys_of_one_id_are_refused(softhsm: SoftHsm, key: str) -> None:
    softhsm.make_key(key)
    with pytest.raises(KekNotFoundError, match="give each version its own"):
        softhsm.open_kek(key).wrap_dek(bytes(32), CONTEXT)


def test_the_greatest_id_is_the_newest_version(softhsm: SoftHsm) -> None:
    key = softhsm.make_key(id_=b"\x09")
    softhsm.make_key(key, b"\x01\x00")
    assert softhsm.open_kek(key).describe_kek().kek_version == "0100"


def test_a_key_without_an_id_is_a_kek(softhsm: SoftHsm) -> None:
    kek = softhsm.open_kek(softhsm.make_key(id_=b""))
    wrapped = kek.wrap_dek(bytes(32), CONTEXT)
    assert (wrapped.kek_version, kek.unwrap_dek(wrapped, CONTEXT)) == ("", bytes(32))


def test_the_newest_version_has_to_encrypt_and_an_older_one_has_not(
    softhsm: SoftHsm, key: str
) -> None:
    kek = softhsm.open_kek(key)
    wrapped = kek.wrap_dek(bytes(32), CONTEXT)
    softhsm.set_attribute(key, Attribute.ENCRYPT, value=False)
    with pytest.raises(KekDisabledError, match="CKA_ID 01 is disabled; set"):
        kek.wrap_dek(bytes(32), CONTEXT)
    softhsm.make_key(key, b"\2")
    assert kek.wrap_dek(bytes(32), CONTEXT).kek_version == "02"
    assert kek.unwrap_dek(wrapped, CONTEXT) == bytes(32)


def test_a_key_without_an_id_is_named_when_it_is_disabled(softhsm: SoftHsm) -> None:
    kek = softhsm.open_kek(softhsm.make_key(id_=b"", DECRYPT=False))
    with pytest.raises(KekDisabledError, match="CKA_ID of no bytes is disabled"):
        kek.wrap_dek(bytes(32), CONTEXT)


@pytest.mark.parametrize("size", [0, 12, 12 + 16])
def test_what_is_too_short_never_reaches_the_token(
    softhsm: SoftHsm, key: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else may have written it, and a module of a token is C."""
    kek = softhsm.open_kek(key)
    wrapped = replace(kek.wrap_dek(bytes(32), CONTEXT), ciphertext=bytes(size))
    monkeypatch.setattr("kms_pkcs11.kek.Token.session", lambda _: pytest.fail("it was asked"))
    with pytest.raises(UnwrapError):
        kek.unwrap_dek(wrapped, CONTEXT)


def test_the_kek_id_is_a_pkcs11_uri(softhsm: SoftHsm) -> None:
    key = softhsm.make_key("a;b/ü")
    kek_id = softhsm.open_kek(key).describe_kek().kek_id
    assert kek_id == "pkcs11:token=deks;object=a%3Bb%2F%C3%BC;type=secret-key"


def test_no_iv_comes_twice(softhsm: SoftHsm, key: str) -> None:
    kek = softhsm.open_kek(key)
    ivs = {kek.wrap_dek(bytes(32), CONTEXT).ciphertext[:12] for _ in range(100)}
    assert len(ivs) == 100


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (exceptions.EncryptedDataInvalid(), UnwrapError),
        (exceptions.PKCS11Error("Unmapped error code 0x35"), UnwrapError),  # AEAD_DECRYPT_FAILED
        (exceptions.DeviceRemoved(), UnavailableError),
    ],
)
def test_what_other_tokens_say_of_a_decryption(
    softhsm: SoftHsm,
    key: str,
    said: Exception,
    kind: type[KmsError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise said

    kek = softhsm.open_kek(key)
    wrapped = kek.wrap_dek(bytes(32), CONTEXT)
    monkeypatch.setattr(DecryptMixin, "decrypt", fail)
    with pytest.raises(kind):
        kek.unwrap_dek(wrapped, CONTEXT)


def test_an_error_that_no_table_knows_is_still_ours(
    softhsm: SoftHsm, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise exceptions.GeneralError

    monkeypatch.setattr("kms_pkcs11.kek.Pkcs11Kek._versions", fail)
    with opened(softhsm, key) as kms, pytest.raises(UnavailableError, match="GeneralError"):
        kms.get_dek("volume-42", create=True)


def test_a_blob_is_small(softhsm: SoftHsm, key: str) -> None:
    kek = {"backend": "pkcs11", **softhsm.parameters, "key": key}
    with open_kek(kek) as alone:
        blob = alone.wrap(bytes(32), CONTEXT)
        assert alone.unwrap(blob, CONTEXT) == bytes(32)
        with pytest.raises(UnwrapError):
            alone.unwrap(blob, {})
    assert len(blob) <= 1024
