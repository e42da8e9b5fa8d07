"""Opens clients that do what the config says, whatever the environment says."""

from __future__ import annotations

import os
import ssl
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import boto3.session
import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError
from botocore.httpsession import get_cert_path
from botocore.loaders import create_loader

from kms_aws.config import AwsConfig
from kms_aws.errors import CALL, CREDENTIALS, no_credentials
from kms_aws.metadata import Metadata
from kms_aws.parsing import StrictParsers
from kms_core import AccessDeniedError, ConfigError
from kms_core.backend import PerProcess, mute_logging, translate_errors

if TYPE_CHECKING:
    from botocore.credentials import Credentials

ClientT = TypeVar("ClientT")

# Their debug log holds whole calls and answers.
_TALKATIVE = ("botocore.auth", "botocore.endpoint", "botocore.parsers")

# One for all sessions: to read the services' models is most of what it takes to open a client.
_models = create_loader()

_BUNDLES = "AWS_CA_BUNDLE, or ca_bundle of the profile, or REQUESTS_CA_BUNDLE"
_PROFILES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")  # in the SDK's order


class _Opened(NamedTuple):
    client: Any
    credentials: Credentials | None
    metadata: Metadata


class AwsClient(Generic[ClientT]):
    """Clients of one service, one for each process.

    Args:
        service: its name in the SDK.
        config: where it is, with which credentials, and how long to wait.

    Raises:
        ConfigError: the profile or the region is wrong.
    """

    def __init__(self, service: str, config: AwsConfig) -> None:
        self._finding = _finding(config)
        self._open = partial(PerProcess, partial(_open, service, config), _close)
        self._opened: PerProcess[_Opened] = self._open()

    @property
    def partition(self) -> str:
        """The partition of the region, such as ``aws``."""
        return str(self._opened.get().client.meta.partition)

    def get(self) -> ClientT:
        """The client, once there are credentials that have not expired.

        Raises:
            KmsError: there are no credentials, or they cannot be renewed.
        """
        client, credentials, metadata = self._opened.get()
        if credentials is None and metadata.failed:
            self.close()
            self._opened = self._open()  # finds what is there now
            client, credentials, metadata = self._opened.get()
        if credentials is None:
            metadata.check()
            raise no_credentials()
        if isinstance(credentials, RefreshableCredentials):
            with muted(), translate_errors(CREDENTIALS, *self._finding):
                _renew(credentials, metadata)
        opened: ClientT = client
        return opened

    def close(self) -> None:
        """Close its connections."""
        self._opened.close()


def muted() -> AbstractContextManager[None]:
    """Keep what the SDK does in a block out of its log."""
    return mute_logging(*_TALKATIVE, others="botocore")


def _finding(config: AwsConfig) -> tuple[str, str]:
    """What is done, and where, when there are to be credentials."""
    profile = config.profile or next(filter(None, map(os.environ.get, _PROFILES)), None)
    return (
        "finding credentials",
        f"this machine, profile {profile!r}" if profile else "this machine",
    )


def _open(service: str, config: AwsConfig) -> _Opened:
    with muted(), translate_errors(CREDENTIALS, *_finding(config)):
        session = open_session(config)
        metadata = Metadata(session)
        credentials = session.get_credentials()
    client = open_client(service, session, config)
    if service == "s3":
        _stay_in_region(client)
        client.meta.events.register("before-call.s3.GetObject", _ask_for_checksum)
    return _Opened(client, credentials, metadata)


def open_client(service: str, session: botocore.session.Session, config: AwsConfig) -> Any:
    """A client of the SDK that goes where the config says.

    Raises:
        ConfigError: the region or the file of authorities is wrong.
    """
    where = config.endpoint or config.region
    with muted(), translate_errors(CALL, f"opening a client of {service}", where):
        made: Any = boto3.session.Session(botocore_session=session)
        # Only now: boto3 adds a folder of its own to the loader that it finds.
        session.register_component("data_loader", _models)
        session.register_component("response_parser_factory", StrictParsers())
        options = {
            "endpoint_url": config.endpoint,
            "config": _client_config(config),
            "verify": find_authorities(config, session),
        }
        return made.client(service, region_name=config.region, **options)


def _renew(credentials: RefreshableCredentials, metadata: Metadata) -> None:
    try:
        credentials.get_frozen_credentials()
    except CredentialRetrievalError:
        metadata.check()
        raise


def _close(opened: _Opened) -> None:
    opened.client.close()


def open_session(config: AwsConfig) -> botocore.session.Session:
    """A session of the SDK, which looks for credentials once it is asked for them."""
    session = _session_of(config)
    # An empty variable is none; boto3 1.40 took it for leave to trust anybody.
    given = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    session.set_config_variable("ca_bundle", given or get_cert_path(verify=True))
    # Those that give credentials are called by clients of the SDK's own.
    session.set_default_client_config(Config(**_patience(config)))
    resolver = session.get_component("credential_provider")
    resolver.get_provider("assume-role")._prompter = _refuse_to_prompt  # noqa: SLF001 -- no other way
    return session


def _session_of(config: AwsConfig) -> botocore.session.Session:
    if config.access_key_id is None or config.access_key is None:
        return botocore.session.Session(profile=config.profile)
    # It needs no profile, and AWS_PROFILE may name one that is gone.
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    token = config.session_token.get_secret_value() if config.session_token else None
    session.set_credentials(config.access_key_id, config.access_key.get_secret_value(), token)
    return session


def _refuse_to_prompt(_: str) -> str:
    """A library must not ask at a terminal, where perhaps nobody is."""
    raise AccessDeniedError(
        "finding credentials on this machine: the profile asks for an MFA code; get a session "
        "first, such as by `aws configure export-credentials --profile NAME --format env`"
    )


def find_authorities(config: AwsConfig, session: botocore.session.Session) -> str:
    """The file of authorities; one that is given is tried out, or each call would fail instead.

    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
    """
    found = str(config.ca_file or session.get_config_variable("ca_bundle"))
    if found != get_cert_path(verify=True):
        _try_out(found, "caFile" if config.ca_file else _BUNDLES)
    return found


@lru_cache(maxsize=8)  # to read one takes longer than the rest of opening a client
def _try_out(found: str, named: str) -> None:
    try:
        ssl.create_default_context(cafile=found)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{found} has no certificate in PEM; correct the file, or {named}"
        ) from error
    except OSError as error:
        raise ConfigError(f"{found}: {error.strerror}; correct {named}") from error


def _patience(config: AwsConfig) -> dict[str, Any]:
    """What holds for the calls that give credentials too."""
    return {
        "connect_timeout": config.connect_timeout,
        "read_timeout": config.read_timeout,
        "retries": {"mode": "standard", "total_max_attempts": config.max_attempts},
        "ignore_configured_endpoint_urls": True,
    }


def _client_config(config: AwsConfig) -> Config:
    plain = config.endpoint is not None and config.endpoint.startswith("http:")
    return Config(
        **_patience(config),
        parameter_validation=False,  # what is sent here is typed, and this costs more than we do
        max_pool_connections=config.max_connections,
        request_checksum_calculation="when_required",  # storage.py adds its own, which all take
        response_checksum_validation="when_required",  # likewise
        s3={
            "addressing_style": config.addressing_style,
            "us_east_1_regional_endpoint": "regional",
            "use_accelerate_endpoint": False,
        },
        proxies={} if plain else None,  # unencrypted calls must not pass through others
    )


def _stay_in_region(client: Any) -> None:
    """Keep the client from following a bucket into another region than the configured one.

    The SDK would ask HeadBucket for the region, which needs a permission, and send records there.
    """
    client.meta.events.register("before-call.s3", _mark_as_redirected)


def _ask_for_checksum(params: dict[str, Any], **_: object) -> None:
    params["headers"]["x-amz-checksum-mode"] = "ENABLED"


def _mark_as_redirected(context: dict[str, Any], **_: object) -> None:
    context.get("s3_redirect", {})["redirected"] = True
