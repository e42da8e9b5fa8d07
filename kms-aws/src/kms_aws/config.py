"""What ``kms://aws`` and ``storage://aws`` take. Nothing of the SDK is imported here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from msgspec import Meta, field

from kms_core.backend import AnyEndpoint, Endpoint, RecordPrefix, SecretStr, ServiceConfig

_TEMPORARY = re.compile(r"ASIA[A-Z0-9]{16}")
"""The access key ids that AWS STS gives out.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
"""

_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:(key|alias)/.+")
_ACCESS_POINT = re.compile(r"arn:aws[a-z-]*:s3:([a-z0-9-]+):\d{12}:accesspoint/[a-z0-9-]{3,50}")


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


class AwsSecret(SecretStr):
    """A secret key or a token, which AWS makes of visible characters."""

    def __init__(self, value: str) -> None:
        if not value or not value.isprintable() or " " in value:
            raise ValueError("is empty or has white space in it; give the value alone")
        super().__init__(value)


Text = Annotated[str, Meta(min_length=1)]
_KeyId = Annotated[
    str,
    Meta(pattern=r"^[!-~]+\Z", description="is empty or has white space in it; give the id alone"),
]


class AwsConfig(ServiceConfig):
    """The service's place, and AWS credentials.

    Without ``accessKeyID`` and ``profile`` the SDK's own chain finds the credentials.

    Attributes:
        access_key_id: with ``accessKey``, static credentials.
        access_key: the secret part of ``accessKeyID``.
        session_token: for temporary static credentials.
        profile: a profile of the local AWS directory.
        endpoint: replaces the region's public endpoint.
        ca_file: the authorities to trust, in PEM, in place of the machine's.
    """

    region: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9-]+\Z",
            description="is no region; give its code, such as eu-central-1",
        ),
    ]
    access_key_id: _KeyId | None = field(default=None, name="accessKeyID")
    access_key: AwsSecret | None = None
    session_token: AwsSecret | None = None
    profile: Text | None = None
    endpoint: AnyEndpoint | None = None
    ca_file: Path | None = None

    @property
    def addressing_style(self) -> Literal["auto", "path", "virtual"]:
        """Where a bucket's name stands in the URL, as the SDK says it."""
        return "auto"

    @property
    def credentials(self) -> str:
        """Where they come from, as the page about AWS says it."""
        if self.access_key_id is not None:
            return "accessKeyID"
        if self.profile is not None:
            return f"profile {self.profile!r} of the local AWS directory"
        return "what the SDK finds: the environment, the local AWS directory, or a role"

    def __post_init__(self) -> None:
        if (self.access_key_id is None) != (self.access_key is None):
            raise ValueError("accessKeyID and accessKey belong together; give both or neither")
        if self.access_key_id is None and self.session_token is not None:
            raise ValueError("sessionToken needs accessKeyID and accessKey")
        if _TEMPORARY.fullmatch(self.access_key_id or "") and self.session_token is None:
            raise ValueError(
                "accessKeyID is that of temporary credentials, which need their token; give "
                "sessionToken too"
            )
        if self.access_key_id is not None and self.profile is not None:
            raise ValueError("give accessKeyID and accessKey, or profile, not both")


class AwsKekConfig(AwsConfig):
    """A symmetric key of KMS.

    Attributes:
        key_name: a key id, a key ARN, ``alias/NAME`` or an alias ARN, in any partition.
        call_by_alias: name the alias in each call, where a policy demands ``kms:RequestAlias``.
    """

    endpoint: Endpoint | None = None  # DEKs go to it in the clear, so never by plain http
    key_name: Text
    call_by_alias: bool = False

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
            raise ValueError(
                f"keyName is in region {arn[1]!r} and region says {self.region!r}; correct region, "
                "or name a key of that region"
            )
        if self.call_by_alias and not re.match(r"alias/|arn:.*:alias/", self.key_name):
            raise ValueError("callByAlias needs keyName to be an alias")


class AwsStorageConfig(AwsConfig):
    """A bucket of S3 or of an S3-compatible store.

    Attributes:
        bucket: the bucket's name, or the ARN of an access point.
        endpoint: a store that honours ``If-None-Match`` in one step with the write: one that does
            not loses DEKs, and no single call can tell.
        prefix: a folder for the records; none by default.
        tags: tags for each object; writing them needs a permission of its own.
        expected_bucket_owner: the account id that must own the bucket.
        create_bucket: create the bucket when the storage is opened; refuse another's.
        requester_pays: pay for calls to a bucket whose owner does not.
        acl: a canned ACL for each object, where the bucket's policy demands it.
        sse: how S3 encrypts each object, where the bucket's policy demands it.
        sse_kms_key_id: the key by which it does, with ``aws:kms``.
        addressing: where the bucket's name stands in the URL; by default in the host of AWS's own
            endpoints, and in the path of any other.
        allow_http: let ``endpoint`` be plain http to another machine.
        allow_unconditional_create: use a store that ignores conditional writes all the same.
    """

    bucket: Annotated[
        str,
        Meta(
            pattern=rf"^([A-Za-z0-9._-]{{3,255}}|{_ACCESS_POINT.pattern})\Z",
            description="is neither a bucket's name nor the ARN of an access point; leave out "
            "s3://, and give a folder as prefix",
        ),
    ]
    prefix: RecordPrefix | None = None
    tags: Tags | None = None
    expected_bucket_owner: (
        Annotated[
            str,
            Meta(pattern=r"^[0-9]{12}\Z", description="is no account id, which is 12 digits"),
        ]
        | None
    ) = None
    requester_pays: bool = False
    acl: (
        Annotated[
            str,
            Meta(
                pattern=r"^[a-z-]+\Z",
                description="is no canned ACL, such as bucket-owner-full-control",
            ),
        ]
        | None
    ) = None
    sse: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    sse_kms_key_id: Text | None = None
    addressing: Literal["path", "virtual"] | None = None
    allow_http: bool = False
    create_bucket: bool = False
    allow_unconditional_create: bool = False

    @property
    def addressing_style(self) -> Literal["auto", "path", "virtual"]:
        """Where the bucket's name stands in the URL, as the SDK says it."""
        return self.addressing or "auto"

    @property
    def access_point(self) -> str | None:
        """The ARN of an access point if ``bucket`` is one."""
        return self.bucket if self.bucket.startswith("arn:") else None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.endpoint is not None and self.endpoint.is_plain and not self.allow_http:
            raise ValueError(
                "endpoint is plain http to another machine; use https, or allowHttp=true in a "
                "network of yours"
            )
        arn = _ACCESS_POINT.fullmatch(self.bucket)
        if arn is not None and arn[1] != self.region:
            raise ValueError(
                f"bucket is in region {arn[1]!r} and region says {self.region!r}; correct region, "
                "or name an access point of that region"
            )
        if arn is not None and self.create_bucket:
            raise ValueError("createBucket needs the name of a bucket, not of an access point")
        if self.sse_kms_key_id is not None and not (self.sse or "").startswith("aws:kms"):
            raise ValueError("sseKmsKeyId needs sse=aws:kms or sse=aws:kms:dsse")
