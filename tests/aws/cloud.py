"""What an AWS admin sets up before a test: keys, buckets and users, made by boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any

import boto3

from kms_aws.config import AwsKekConfig, AwsStorageConfig
from kms_aws.kek import AwsKek
from kms_aws.storage import AwsStorage
from tests.fakes.aws.faults import Call
from tests.fakes.aws.materials import Materials
from tests.fakes.aws.servers import ACCESS_KEY, ACCESS_KEY_ID
from tests.fakes.live.aws import AwsForm
from tests.fakes.process import Server
from tests.fakes.proxy import Proxy, run_proxy

REGION = "eu-central-1"
BUSY = {"connectTimeout": 60, "readTimeout": 60, "deadline": 300}
"""How long a backend waits for an answer that comes, however busy this machine is."""


@dataclass(frozen=True)
class Cloud:
    """One server, and who calls it."""

    server: Server
    access_key_id: str = ACCESS_KEY_ID
    access_key: str = ACCESS_KEY
    wire: str | None = None
    """Where backends reach it, if not at the server itself; an admin does, but to rotate."""
    materials: Materials = field(default_factory=Materials)
    iam: str = ""
    """Where its IAM is, if not at the server."""

    @property
    def endpoint(self) -> str:
        """What backends are told."""
        return self.wire or self.server.url

    @property
    def parameters(self) -> dict[str, Any]:
        """What every backend's config says of this server."""
        return {
            "region": REGION,
            "endpoint": self.endpoint,
            "accessKeyID": self.access_key_id,
            "accessKey": self.access_key,
            **BUSY,
        }

    def admin(self, service: str, region: str = REGION, *, url: str = "") -> Any:
        """A client of boto3 itself, as an admin uses it."""
        open_client: Any = boto3.client  # each service has a type of its own
        return open_client(
            service,
            region_name=region,
            endpoint_url=url or self.server.url,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.access_key,
        )

    def make_key(self, **settings: Any) -> str:
        """The ARN of a new key."""
        arn: str = self.admin("kms").create_key(**settings)["KeyMetadata"]["Arn"]
        return arn

    def rotate(self, key: str) -> None:
        """Give the key new material, as it is seen through the wire."""
        self.admin("kms", url=self.endpoint).rotate_key_on_demand(KeyId=key)

    def make_bucket(self) -> str:
        """The name of a new bucket."""
        name = f"deks-{token_hex(6)}"
        where = {"LocationConstraint": REGION}
        self.admin("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)
        return name

    def keep_versions(self, bucket: str) -> None:
        """Turn the bucket's versioning on."""
        on = {"Status": "Enabled"}
        self.admin("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration=on)

    def make_user(self, policy: Mapping[str, object]) -> Cloud:
        """The same server for a new user who may do what the policy says."""
        iam, name = self.admin("iam", "us-east-1", url=self.iam), f"user-{token_hex(6)}"
        iam.create_user(UserName=name)
        document = json.dumps(policy)
        iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self.as_client(key["AccessKeyId"], key["SecretAccessKey"])

    def allow(self, user: Cloud, policy: Mapping[str, Any], bucket: str) -> None:
        """Have the bucket allow the user what the policy says of it."""
        arn = user.admin("sts", "us-east-1", url=self.iam).get_caller_identity()["Arn"]
        about = [
            statement | {"Principal": {"AWS": arn}}
            for statement in policy["Statement"]
            if bucket in statement["Resource"]
        ]
        if about:
            document = json.dumps({**policy, "Statement": about})
            self.admin("s3").put_bucket_policy(Bucket=bucket, Policy=document)

    def as_client(self, access_key_id: str, access_key: str = ACCESS_KEY) -> Cloud:
        """The same cloud for another client."""
        return replace(self, access_key_id=access_key_id, access_key=access_key)

    def open_kek(self, key_name: str, **more: object) -> AwsKek:
        """A KEK of this server."""
        parameters = self.parameters | {"keyName": key_name} | more
        return AwsKek(AwsKekConfig.from_parameters(parameters))

    def open_storage(self, bucket: str, **more: object) -> AwsStorage:
        """A storage of this server."""
        parameters = self.parameters | {"bucket": bucket} | more
        return AwsStorage(AwsStorageConfig.from_parameters(parameters))


@dataclass(kw_only=True)
class FaultProxy(Proxy):
    """A proxy, and the cloud as it is seen through it."""

    cloud: Cloud


@contextmanager
def start_proxy(cloud: Cloud) -> Iterator[FaultProxy]:
    """A proxy in front of the cloud's server, whose answers take the form of AWS's own."""
    proxy = FaultProxy(cloud.server.url, live=AwsForm(cloud.materials), cloud=cloud)
    with run_proxy(proxy, Call):
        proxy.cloud = replace(cloud, wire=proxy.url)
        yield proxy
