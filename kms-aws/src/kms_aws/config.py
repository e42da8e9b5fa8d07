"""What ``kms://aws`` and ``storage://aws`` take. Nothing of the SDK is imported here."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import parse_qsl

from msgspec import Meta, field

from kms_core.backend import Endpoint, RecordPrefix, SecretStr, ServiceConfig

_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:(key|alias)/.+")


class Tags(dict[str, str]):
    """Tags; a URI gives them as ``team=storage&stage=test``, escaped once more."""

    def __init__(self, tags: str | dict[str, str]) -> None:
        pairs = _parse_tags(tags) if isinstance(tags, str) else list(tags.items())
        super().__init__(pairs)
        if len(self) != len(pairs):
            raise ValueError("names a tag twice")
        if not all(name and isinstance(text, str) for name, text in pairs):
            raise ValueError("has a tag without a name, or one that is not text")


def _parse_tags(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise ValueError("is not NAME=TEXT&NAME=TEXT") from None  # the error shows a piece of it


Text = Annotated[str, Meta(min_length=1)]


class AwsConfig(ServiceConfig):
    """The service's place, and AWS credentials.

    Without ``accessKeyID`` and ``profile`` the SDK's own chain finds the credentials.

    Attributes:
        access_key_id: with ``accessKey``, static credentials.
        access_key: the secret part of ``accessKeyID``.
        session_token: for temporary static credentials.
        profile: a profile of the local AWS directory.
        endpoint: replaces the region's public endpoint.
    """

    region: Annotated[str, Meta(pattern=r"^[a-z0-9-]+\Z")]
    access_key_id: Text | None = field(default=None, name="accessKeyID")
    access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    profile: Text | None = None
    endpoint: Endpoint | None = None

    def __post_init__(self) -> None:
        if (self.access_key_id is None) != (self.access_key is None):
            raise ValueError("accessKeyID and accessKey belong together; give both or neither")
        if self.access_key_id is None and self.session_token is not None:
            raise ValueError("sessionToken needs accessKeyID and accessKey")
        if self.access_key_id is not None and self.profile is not None:
            raise ValueError("give accessKeyID and accessKey, or profile, not both")


class AwsKekConfig(AwsConfig):
    """``keyName``: a key id, a key ARN, ``alias/NAME`` or an alias ARN, in any partition."""

    key_name: Text

    @property
    def key_arn(self) -> str | None:
        """The key's ARN if ``keyName`` is one."""
        arn = _KEY_ARN.fullmatch(self.key_name)
        return self.key_name if arn and arn[2] == "key" else None

    def __post_init__(self) -> None:
        super().__post_init__()
        arn = _KEY_ARN.fullmatch(self.key_name)
        if arn is None and self.key_name.startswith("arn:"):
            raise ValueError("keyName is not the ARN of a KMS key or alias")
        if arn is not None and arn[1] != self.region:
            raise ValueError(f"keyName is in region {arn[1]!r} and region says {self.region!r}")


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

    bucket: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{3,255}\Z")]
    prefix: RecordPrefix | None = None
    tags: Tags | None = None
    expected_bucket_owner: Annotated[str, Meta(pattern=r"^[0-9]{12}\Z")] | None = None
    create_bucket: bool = False
    allow_unconditional_create: bool = False
