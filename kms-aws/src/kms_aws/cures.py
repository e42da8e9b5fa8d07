"""What users are told to do about what AWS says.

All of it is ours: the text of the service and of the SDK may repeat what was signed.
"""

from __future__ import annotations

UNWRAP_DENIED = (
    "allow it to these credentials, in their IAM policy and in the policy of the key, by the key's "
    "ARN and not by an alias"
)
KEY_DENIED = (
    f"{UNWRAP_DENIED}; or the key is another account's, which its ARN names: correct keyName"
)
DENIED = (
    "allow it to these credentials, in their IAM policy and in the policy of the bucket; or the "
    "bucket is another account's: correct bucket, or expectedBucketOwner"
)
HIDDEN = (
    "; or there is no such record, which S3 says only to those who also have s3:ListBucket on the "
    "bucket"
)
CREDENTIALS = (
    "the credentials are not accepted; check accessKeyID, accessKey and sessionToken, or else "
    "AWS_ACCESS_KEY_ID and the like, or the profile"
)
UNKNOWN = (
    "there is no such access key; correct accessKeyID (or else AWS_ACCESS_KEY_ID or the profile), "
    "and give sessionToken too if it begins with ASIA"
)
WRONG_KEY = (
    "the secret key is not that of the access key id; correct accessKey (or else "
    "AWS_SECRET_ACCESS_KEY or the profile)"
)
NONE = (
    "no credentials were found; give accessKeyID and accessKey, or profile, or set "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
)
PARTIAL = (
    "one half of the key is missing there; give the access key id and the secret key, or neither"
)
SOURCE = (
    "this source gave no credentials; find out why, such as by running the profile's "
    "credential_process by hand"
)
METADATA = (
    "the service that gives this machine its credentials failed; try again later, or give "
    "accessKeyID and accessKey, or profile"
)
ROLE = (
    "the role may not be assumed; allow sts:AssumeRole on it to who asks, and name who asks in the "
    "role's trust policy; or correct role_arn (or AWS_ROLE_ARN)"
)
REFUSED = "no credentials were given for this; ask the administrator for access to the role"
UNTRUSTED = (
    "the role's account does not trust the token; add its issuer to the account as an identity "
    "provider, and name that provider in the role's trust policy"
)
EXPIRED = (
    "the credentials have expired; get new ones, accessKeyID, accessKey and sessionToken together, "
    "or sign in again, such as by `aws sso login`"
)
SIGN_IN = "the session is missing or has expired; sign in again, such as by `aws sso login`"
FILE = (
    "a file that a profile or the environment names (AWS_WEB_IDENTITY_TOKEN_FILE, "
    "web_identity_token_file, credential_process) cannot be used; correct its path or mode"
)
MALFORMED = (
    "the file is malformed; correct it: [profile NAME], and below it lines of NAME = VALUE; or "
    "correct AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE if it names this file"
)
NO_KEK = (
    "there is no such KEK in this region and account; correct keyName, where an alias is "
    "alias/NAME, or region, or give the key's whole ARN"
)
NO_KEK_ID = (
    "there is no such KEK in this region and account; correct region, or keyName, or give the "
    "key's whole ARN"
)
CLOCK = "this machine's clock is wrong by minutes; set it, such as by NTP"
SIGNATURE = f"{WRONG_KEY}; or this machine's clock is wrong: set it"
CHANGED = "the record has changed since it was read; read it again"
BUSY = "the service asks to slow down; try again later, or ask for a higher quota"
AWAY = "the service failed; try again later"
NETWORK = (
    "the service was not reached or its answer was lost; check endpoint, the network and the proxy"
)
NOBODY_LISTENS = "nobody listens there; correct endpoint, or start what should listen there"
NO_HOST = "DNS knows no such host; correct region or endpoint, or check this machine's DNS"
PROXY = (
    "the proxy was not reached, or refused; correct HTTPS_PROXY, or name the service's host in "
    "NO_PROXY"
)
DAMAGED = "the data was damaged on its way; try again"
SYMMETRIC = (
    "the key is asymmetric or an HMAC key; use a symmetric key, of the spec SYMMETRIC_DEFAULT and "
    "the usage ENCRYPT_DECRYPT"
)
REGION = "the bucket is in another region; correct region"
NOT_AWS = "the answer is not AWS's; check endpoint and proxy"
UNTRUSTED_HOST = (
    "its certificate is not trusted; have caFile or AWS_CA_BUNDLE name a file that has its "
    "authority's, or correct endpoint"
)
TLS = "TLS failed; check whether endpoint speaks https at all, its certificate and the proxy"
FULL = "the store is full; make room, or ask for a higher quota"
PLACE = "this is no place that AWS has; correct region, endpoint and bucket"
BUCKET_KEY = (
    "it is the key by which the bucket encrypts, not the KEK: enable it, and allow "
    "kms:GenerateDataKey and kms:Decrypt on it to these credentials"
)
CONDITIONS = "the store lacks conditional writes; use a store or a release that has them"
