"""What a token says, in the words of kms-core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kms_core import (
    AccessDeniedError,
    ConfigError,
    DekSizeError,
    KekNotFoundError,
    ThrottledError,
    UnavailableError,
    UnwrapError,
)
from kms_core.backend import Clue, ErrorTable, Meaning
from pkcs11 import exceptions as pkcs11
from pkcs11.exceptions import PKCS11Error

_PIN = "the token refuses the PIN; correct pin before the token locks it"
_RESET = "have the token's security officer set a new one"
_OTHER_LOGIN = (
    "this process is logged in to the token by something else, or with another PIN, and PKCS #11 "
    "has one login for a process; give one PIN, or give the KEK a token of its own"
)
_NOWHERE = "no token has the configured label; correct token, or initialise one"
_TWICE = "two tokens have the configured label; give each its own"
_GONE = "the token or its key went away during the call; look for the token, and try again"
_MECHANISM = "the token has no CKM_AES_GCM with an IV of the caller's; use another token"
_BUSY = "the token has no session or memory left; close sessions, or try again later"
_FAILED = "the token failed; look at its log, and try again"

_MEANINGS: dict[Clue, Meaning] = {
    pkcs11.PinIncorrect: Meaning(AccessDeniedError, _PIN),
    pkcs11.PinInvalid: Meaning(AccessDeniedError, _PIN),
    pkcs11.PinLenRange: Meaning(AccessDeniedError, _PIN),
    pkcs11.PinLocked: Meaning(AccessDeniedError, f"the token has locked the PIN; {_RESET}"),
    pkcs11.PinExpired: Meaning(AccessDeniedError, f"the PIN has expired; {_RESET}"),
    pkcs11.UserPinNotInitialized: Meaning(AccessDeniedError, f"the token has no PIN yet; {_RESET}"),
    pkcs11.UserNotLoggedIn: Meaning(
        UnavailableError, "other code logged this process out; try again"
    ),
    pkcs11.UserAlreadyLoggedIn: Meaning(ConfigError, _OTHER_LOGIN),
    pkcs11.AnotherUserAlreadyLoggedIn: Meaning(ConfigError, _OTHER_LOGIN),
    pkcs11.UserTooManyTypes: Meaning(ConfigError, _OTHER_LOGIN),
    pkcs11.NoSuchToken: Meaning(KekNotFoundError, _NOWHERE),
    pkcs11.MultipleTokensReturned: Meaning(KekNotFoundError, _TWICE),
    pkcs11.MechanismInvalid: Meaning(ConfigError, _MECHANISM),
    pkcs11.MechanismParamInvalid: Meaning(ConfigError, _MECHANISM),
    pkcs11.FunctionNotSupported: Meaning(ConfigError, _MECHANISM),
    pkcs11.DataLenRange: Meaning(
        DekSizeError, "the token wraps no DEK of this size; ask for a smaller one"
    ),
    pkcs11.RandomNoRNG: Meaning(
        ConfigError, "the token makes no random numbers; use another token"
    ),
    pkcs11.SessionCount: Meaning(ThrottledError, _BUSY),
    pkcs11.DeviceMemory: Meaning(ThrottledError, _BUSY),
    pkcs11.HostMemory: Meaning(UnavailableError, "this machine is out of memory; free some"),
    pkcs11.TokenNotPresent: Meaning(UnavailableError, _GONE),
    pkcs11.TokenNotRecognised: Meaning(UnavailableError, _GONE),
    pkcs11.DeviceRemoved: Meaning(UnavailableError, _GONE),
    pkcs11.SlotIDInvalid: Meaning(UnavailableError, _GONE),
    pkcs11.KeyHandleInvalid: Meaning(UnavailableError, _GONE),
    pkcs11.ObjectHandleInvalid: Meaning(UnavailableError, _GONE),
    pkcs11.SessionClosed: Meaning(UnavailableError, _GONE),
    pkcs11.SessionHandleInvalid: Meaning(UnavailableError, _GONE),
    pkcs11.DeviceError: Meaning(UnavailableError, _FAILED),
    pkcs11.FunctionCancelled: Meaning(UnavailableError, _FAILED),
}

ERRORS = ErrorTable((PKCS11Error,), {**_MEANINGS, PKCS11Error: Meaning(UnavailableError, _FAILED)})


@contextmanager
def authenticated() -> Iterator[None]:
    """Around a decryption: raises UnwrapError for what means nothing else.

    Tokens differ in what they call a wrong tag. SoftHSM says CKR_GENERAL_ERROR, and PKCS #11 3.0
    CKR_AEAD_DECRYPT_FAILED, which python-pkcs11 does not know.
    """
    try:
        yield
    except PKCS11Error as error:
        if type(error) in _MEANINGS:
            raise
        raise UnwrapError from error
