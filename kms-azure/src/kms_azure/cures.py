"""What users are told to do about what Azure says.

All of it is ours: the text of a service or of the SDK may repeat what was sent.
"""

from __future__ import annotations

DENIED = "allow it to these credentials"
POLICY = (
    "the vault goes by access policies; add one for these credentials, with the key permissions "
    "Get, Wrap Key and Unwrap Key, or add these permissions to the one that is there"
)
CREDENTIALS = (
    "no token could be obtained, or it was refused; check tenantID, clientID, clientSecret and "
    "whether the secret has expired, or where the SDK finds the credentials"
)
NO_IDENTITY = (
    "no managed identity was found on this machine; if it is a machine of Azure, assign one to it, "
    "or correct clientID if it is user-assigned; or else give tenantID, clientID and clientSecret"
)
NOT_READY = (
    "this machine's issuer of tokens has none for now, as while a pod starts; try again in a "
    "minute; or assign a managed identity, or give tenantID, clientID and clientSecret"
)
NONE = (
    "no credentials were found here that get a token; give tenantID, clientID and clientSecret, or "
    "managedIdentity=true, or run `az login`"
)
TENANT = (
    "there is no such tenant in this cloud; correct tenantID (or else AZURE_TENANT_ID), or "
    "authority"
)
APPLICATION = (
    "the tenant has no such application; correct clientID, which is the application's client id "
    "and not an object id, or tenantID"
)
WRONG_VALUE = (
    "the secret is wrong; give as clientSecret the secret's value, not its ID, and the one of this "
    "clientID"
)
VALUE_EXPIRED = "the secret has expired; make a new one for the application, as clientSecret"
CERTIFICATE = (
    "Entra ID does not accept this certificate; upload it to the application, or correct "
    "clientCertificate and clientID"
)
CLOCK = (
    "this machine's clock is wrong by minutes; set it, such as by NTP; or have the token of "
    "federatedTokenFile renewed, which has expired"
)
FEDERATION = (
    "the application does not trust this token; give it a federated credential with the token's "
    "issuer, subject and audience, or correct clientID and federatedTokenFile"
)
RESOURCE = (
    "the tenant does not know the service that the token is for; correct tenantID, or vaultType "
    "and authority if they are of another cloud"
)
OTHER_TENANT = (
    "the vault belongs to another tenant than the token; correct tenantID (or else "
    "AZURE_TENANT_ID), or vaultName"
)
FILE = "the token file cannot be read; correct federatedTokenFile (or AZURE_FEDERATED_TOKEN_FILE)"
UNTRUSTED = (
    "TLS: the certificate is not trusted here; have REQUESTS_CA_BUNDLE name a file that has its "
    "authority's, or check endpoint and proxy"
)
TLS = "TLS failed; check endpoint and proxy, and REQUESTS_CA_BUNDLE if it is set, or try again"
ALTERED = "the record was altered on its way; check the proxy, or try again"
NOBODY = "what answers there is not Azure, or has nothing there; check names, endpoint and proxy"
OPERATION = (
    "the key does not permit this operation; let wrapKey and unwrapKey be among its operations; or "
    + DENIED
)
INACTIVE = "the managed HSM is not activated; download its security domain, which activates it"
FIREWALL = (
    "the resource's firewall refuses this network; allow this machine's address in the resource's "
    "network settings, or use a private endpoint"
)
FIREWALL_OR_ROLE = (
    "the account's firewall refuses this network, or no role allows it; allow this machine's "
    "address in the account's network settings, or use a private endpoint; or else " + DENIED
)
BUSY = "the service asks to slow down; try again later, or spread the load"
AWAY = "the service failed; try again later"
NETWORK = (
    "the service was not reached or its answer was lost; check endpoint, the network and the proxy"
)
NOBODY_LISTENS = "nobody listens there; correct endpoint, or start what should listen there"
NO_HOST = "DNS knows no such host; correct authority, or check this machine's DNS"
PROXY = (
    "the proxy was not reached, or refused; correct HTTPS_PROXY, or name the service's host in "
    "NO_PROXY"
)
STRANGE = "the answer is not Azure's; check endpoint and proxy"
REFUSED = "the service refused the call; look the code up in its documentation"
LEASED = "somebody holds a lease on it; end the lease"
NO_NAME = "Blob Storage takes no such name; correct account, container or endpoint"
