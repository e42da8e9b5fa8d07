"""What ``kms://aws`` and ``storage://aws`` take. Nothing of the SDK is imported here."""

from __future__ import annotations

import re
from typing import Annotated, Self
from urllib.parse import parse_qsl

from pydantic import BeforeValidator, Field, model_validator

from kms_core.backend import Attempts, BackendConfig, Endpoint, RecordPrefix, Seconds, SecretStr

_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:(key|alias)/.+")


def _parse_tags(value: object) -> object:
    """A URI gives tags as ``team=storage&stage=test``, escaped once more."""
    if not isinstance(value, str):
        return value
    tags = parse_qsl(value, keep_blank_values=True, strict_parsing=True)
    if len(dict(tags)) != len(tags):
        raise ValueError("names a tag twice")
    return dict(tags)


Text = Annotated[str, Field(min_length=1)]


class AwsConfig(BackendConfig):
    """The service's place, AWS credentials, and how long to wait.

    Without ``accessKeyID`` and ``profile`` the SDK's own chain finds the credentials.

    Attributes:
        access_key_id: with ``accessKey``, static credentials.
        access_key: the secret part of ``accessKeyID``.
        session_token: for temporary static credentials.
        profile: a profile of the local AWS directory.
        endpoint: replaces the region's public endpoint.
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for each answer.
        max_attempts: how often a call is made at most, the first one included.
    """

    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    access_key_id: Text | None = Field(default=None, alias="accessKeyID")
    access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    profile: Text | None = None
    endpoint: Endpoint | None = None
    connect_timeout: Seconds = 5
    read_timeout: Seconds = 10
    max_attempts: Attempts = 3

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        if (self.access_key_id is None) != (self.access_key is None):
            raise ValueError("accessKeyID and accessKey belong together; give both or neither")
        if self.access_key_id is None and self.session_token is not None:
            raise ValueError("sessionToken needs accessKeyID and accessKey")
        if self.access_key_id is not None and self.profile is not None:
            raise ValueError("give accessKeyID and accessKey, or profile, not both")
        return self


class AwsKekConfig(AwsConfig):
    """``keyName``: a key id, a key ARN, ``alias/NAME`` or an alias ARN, in any partition."""

    key_name: Text

    @property
    def key_arn(self) -> str | None:
        """The key's ARN if ``keyName`` is one."""
        arn = _KEY_ARN.fullmatch(self.key_name)
        return self.key_name if arn and arn[2] == "key" else None

    @model_validator(mode="after")
    def _check_key_name(self) -> Self:
        arn = _KEY_ARN.fullmatch(self.key_name)
        if arn is None and self.key_name.startswith("arn:"):
            raise ValueError("keyName is not the ARN of a KMS key or alias")
        if arn is not None and arn[1] != self.region:
            raise ValueError(f"keyName is in region {arn[1]!r} and region says {self.region!r}")
        return self


class AwsStorageConfig(AwsConfig):
    """A bucket of S3 or of an S3-compatible store.

    Attributes:
        bucket: the bucket's name.
        prefix: a folder for the records; none by default.
        tags: tags for each object; writing them needs a permission of its own.
        expected_bucket_owner: the account id that must own the bucket.
        create_bucket: create the bucket when the storage is opened; refuse another's.
        allow_unconditional_create: use a store that ignores conditional writes all the same.
    """

    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{3,255}$")]
    prefix: RecordPrefix = ""
    tags: Annotated[dict[Text, str], BeforeValidator(_parse_tags)] = Field(default={})
    expected_bucket_owner: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    create_bucket: bool = False
    allow_unconditional_create: bool = False
