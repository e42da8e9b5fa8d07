"""What users are told to do about what Google Cloud says.

All of it is ours: the text of the service and of the SDK is looked at, and not repeated.
"""

from __future__ import annotations

CREDENTIALS = (
    "the credentials were not accepted; check that the key in credentialsPath (or else "
    "GOOGLE_APPLICATION_CREDENTIALS) was not deleted, this machine's clock, and universeDomain; or "
    "run `gcloud auth application-default login`"
)
CLOCK = "this machine's clock is wrong by minutes; set it, such as by NTP"
NO_KEY = (
    "the service account's key was deleted or is disabled; make a new one, as credentialsPath (or "
    "else GOOGLE_APPLICATION_CREDENTIALS)"
)
NO_ACCOUNT = (
    "the service account was deleted; give a key of another one, as credentialsPath (or else "
    "GOOGLE_APPLICATION_CREDENTIALS)"
)
LOGIN = (
    "the login has expired or was revoked; run `gcloud auth application-default login`, or give a "
    "service account's key as credentialsPath"
)
DENIED = "grant this permission to the credentials' account, such as by "
UNWRAP_DENIED = (
    DENIED + "roles/cloudkms.cryptoKeyEncrypterDecrypter and roles/cloudkms.viewer on the key"
)
KEY_DENIED = (
    UNWRAP_DENIED + "; or the key may not exist: check projectID, location, keyRing and keyName"
)
OBJECT_DENIED = (
    DENIED + "roles/storage.objectUser on the bucket; or the bucket is another project's: correct "
    "bucket"
)
BUCKET_DENIED = (
    DENIED + "roles/storage.admin on the project; or create the bucket yourself, and leave out "
    "createBucket"
)
BUCKET_HIDDEN = DENIED + "roles/storage.legacyBucketReader on the bucket"
NO_API = (
    "the API is disabled; run `gcloud services enable {}.googleapis.com --project=PROJECT` for the "
    "project of the credentials (or quotaProject), and wait some minutes"
)
NO_BILLING = "billing is disabled for the project; enable it in the Google Cloud console"
NO_SCOPE = (
    "the token's scopes do not allow this; give the virtual machine, or the login, the scope "
    "https://www.googleapis.com/auth/cloud-platform"
)
PERIMETER = "VPC Service Controls refuse it; call from inside the perimeter, or add an ingress rule"
NO_PAYER = (
    "grant serviceusage.services.use on the project that pays (quotaProject, or the credentials' "
    "own) to the service account"
)
BUCKETS_KEY = (
    "Cloud Storage may not use the key that encrypts the bucket; grant its service agent "
    "roles/cloudkms.cryptoKeyEncrypterDecrypter on that key, and check that the key is enabled"
)
PAYS = "the bucket is requester pays; give quotaProject"
POLICY = (
    "an organization policy refuses such a bucket; give a location that it allows, or ask its "
    "administrator for an exception"
)
BUSY = "the quota is used up; try again later, or ask for a higher quota"
AWAY = "the service failed or did not answer in time; try again later"
ODD_ANSWER = "the answer holds no token; check proxy and network, or try again"
NETWORK = (
    "the service was not reached or its answer was lost; check endpoint, the network and the proxy"
)
NOBODY_LISTENS = "nobody listens there; correct endpoint, or start what should listen there"
NO_HOST = "DNS knows no such host; correct endpoint or universeDomain, or check this machine's DNS"
_GRPC_PROXY = "; gRPC takes a proxy from https_proxy, in small letters, that begins with http://"
GRPC_NETWORK, GRPC_NO_HOST = NETWORK + _GRPC_PROXY, NO_HOST + _GRPC_PROXY
PROXY = (
    "the proxy was not reached, or refused; correct HTTPS_PROXY, or name the service's host in "
    "NO_PROXY"
)
GRPC_PROXY = (
    "the proxy was not reached; correct https_proxy (or grpc_proxy, or http_proxy), in small "
    "letters, or name the service's host in no_proxy"
)
BAD_TLS = "TLS failed; check whether endpoint speaks https at all, and the proxy"
TLS = (
    "its certificate is not trusted; correct endpoint, or name a file that has its authority's in "
)
GRPC_TLS, HTTP_TLS = TLS + "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", TLS + "REQUESTS_CA_BUNDLE"
NO_KEK = "there is no such KEK; correct projectID, location, keyRing, keyName or keyVersion"
NO_LOCATION = "Cloud KMS has no such location; correct location, such as europe-west3 or global"
DISABLED = "the version is disabled; enable it, or make an enabled version primary"
DESTROYED = (
    "the version is destroyed, and what it wrapped is lost; for new DEKs make an enabled version "
    "primary"
)
SCHEDULED = "the version is to be destroyed; restore and enable it, or make another version primary"
NOT_ENABLED = "it is not enabled; enable or restore the version, or make an enabled version primary"
SYMMETRIC = (
    "the key is of another purpose; use one of the purpose ENCRYPT_DECRYPT, or correct keyName or "
    "keyVersion"
)
HIDDEN = (
    "; or there is no such record, and the service says so only to those who also have "
    "storage.objects.list"
)
NO_BUCKET = (
    "there is no such bucket; correct bucket, or create it by createBucket=true and projectNumber"
)
DAMAGED = "the data was damaged on its way; try again"
REFUSED = "the service refused the call; look the code up in its documentation"
WHERE = "check endpoint and proxy, or try again"
CHANGED = "the record has changed since it was read; read it again"
