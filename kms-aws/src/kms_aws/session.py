"""Opens clients that do what the config says, whatever the environment says.

botocore makes them, the part of boto3 that has no S3 code of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.loaders import create_loader

from kms_aws.config import AwsConfig
from kms_aws.errors import explained

if TYPE_CHECKING:
    from botocore.client import BaseClient

# One for all sessions: to read the services' models is most of what it takes to open a client.
_models = create_loader()


def open_client(service: str, config: AwsConfig) -> Any:
    """A client of the service.

    Raises:
        ConfigError: the profile or the region is wrong.
    """
    with explained(f"a client of {service}", config.endpoint or config.region):
        return _session(config).create_client(
            service,
            region_name=config.region,
            endpoint_url=config.endpoint,
            config=_client_config(config),
        )


def close_client(client: BaseClient) -> None:
    """Close its connections."""
    client.close()


def _session(config: AwsConfig) -> botocore.session.Session:
    if config.access_key_id is None or config.access_key is None:
        session = botocore.session.Session(profile=config.profile)
    else:
        # It needs no profile, and AWS_PROFILE may name one that is gone.
        session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
        token = config.session_token.get_secret_value() if config.session_token else None
        session.set_credentials(config.access_key_id, config.access_key.get_secret_value(), token)
    session.register_component("data_loader", _models)
    return session


def _client_config(config: AwsConfig) -> Config:
    plain = config.endpoint is not None and config.endpoint.startswith("http:")
    return Config(
        connect_timeout=config.connect_timeout,
        read_timeout=config.read_timeout,
        retries={"mode": "standard", "total_max_attempts": config.max_attempts},
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # the stubs lack it
        request_checksum_calculation="when_required",  # storage.py adds its own, which all take
        response_checksum_validation="when_supported",
        s3={
            "addressing_style": "auto",  # by path on an endpoint of one's own
            "us_east_1_regional_endpoint": "regional",
            "use_accelerate_endpoint": False,
        },
        proxies={} if plain else None,  # unencrypted calls must not leave this machine
    )
