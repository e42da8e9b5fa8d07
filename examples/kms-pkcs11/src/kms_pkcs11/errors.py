"""What a token says, in the words of kms-core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kms_core import (
    AccessDeniedError,
    ConfigError,
    KekNotFoundError,
    KmsError,
    ThrottledError,
    UnavailableError,
    UnwrapError,
)
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

_ERRORS: dict[type[PKCS11Error], tuple[type[KmsError], str]] = {
    pkcs11.PinIncorrect: (AccessDeniedError, _PIN),
    pkcs11.PinInvalid: (AccessDeniedError, _PIN),
    pkcs11.PinLenRange: (AccessDeniedError, _PIN),
    pkcs11.PinLocked: (AccessDeniedError, f"the token has locked the PIN; {_RESET}"),
    pkcs11.PinExpired: (AccessDeniedError, f"the PIN has expired; {_RESET}"),
    pkcs11.UserPinNotInitialized: (AccessDeniedError, f"the token has no PIN yet; {_RESET}"),
    pkcs11.UserNotLoggedIn: (UnavailableError, "other code logged this process out; try again"),
    pkcs11.UserAlreadyLoggedIn: (ConfigError, _OTHER_LOGIN),
    pkcs11.AnotherUserAlreadyLoggedIn: (ConfigError, _OTHER_LOGIN),
    pkcs11.UserTooManyTypes: (ConfigError, _OTHER_LOGIN),
    pkcs11.NoSuchToken: (KekNotFoundError, _NOWHERE),
    pkcs11.MultipleTokensReturned: (KekNotFoundError, _TWICE),
    pkcs11.MechanismInvalid: (ConfigError, _MECHANISM),
    pkcs11.MechanismParamInvalid: (ConfigError, _MECHANISM),
    pkcs11.FunctionNotSupported: (ConfigError, _MECHANISM),
    pkcs11.RandomNoRNG: (ConfigError, "the token makes no random numbers; use another token"),
    pkcs11.SessionCount: (ThrottledError, _BUSY),
    pkcs11.DeviceMemory: (ThrottledError, _BUSY),
    pkcs11.HostMemory: (UnavailableError, "this machine is out of memory; free some"),
    pkcs11.TokenNotPresent: (UnavailableError, _GONE),
    pkcs11.TokenNotRecognised: (UnavailableError, _GONE),
    pkcs11.DeviceRemoved: (UnavailableError, _GONE),
    pkcs11.SlotIDInvalid: (UnavailableError, _GONE),
    pkcs11.KeyHandleInvalid: (UnavailableError, _GONE),
    pkcs11.ObjectHandleInvalid: (UnavailableError, _GONE),
    pkcs11.SessionClosed: (UnavailableError, _GONE),
    pkcs11.SessionHandleInvalid: (UnavailableError, _GONE),
    pkcs11.DeviceError: (UnavailableError, _FAILED),
    pkcs11.FunctionCancelled: (UnavailableError, _FAILED),
}


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Around calls of the module: raises what the module's error means in kms-core."""
    try:
        yield
    except PKCS11Error as error:
        kind, advice = _ERRORS.get(type(error), (UnavailableError, _FAILED))
        raise kind(f"{where}: {advice} ({type(error).__name__})") from error


@contextmanager
def authenticated() -> Iterator[None]:
    """Around a decryption: raises UnwrapError for what means nothing else.

    Tokens differ in what they call a wrong tag. SoftHSM says CKR_GENERAL_ERROR, and PKCS #11 3.0
    CKR_AEAD_DECRYPT_FAILED, which python-pkcs11 does not know.
    """
    try:
        yield
    except PKCS11Error as error:
        if type(error) in _ERRORS:
            raise
        raise UnwrapError from error
