"""A service that encrypts for its tenants, each under a DEK of its own.

Run it with ``uvicorn service:app``; ``KMS_CONFIG`` names its ``kms.toml``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Depends, FastAPI, HTTPException, Request, Response

import kms_core.aio

log = logging.getLogger(__name__)

NONCE_SIZE = 12
"""Bytes of a nonce of AES-GCM (NIST SP 800-38D, section 8.2)."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the Kms once, in the process and the loop that use it."""
    async with kms_core.aio.open_kms(cache={"ttl": 60}, timeout=10) as kms:
        app.state.kms = kms
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(kms_core.OperationError)
async def unavailable(_: Request, error: kms_core.OperationError) -> Response:
    """Let the client try again where that helps. The message is for the log, not for the client."""
    log.error("%s", error)
    return Response(status_code=503 if error.retryable else 500)


async def tenants_dek(tenant: str, request: Request) -> bytes:
    """The tenant's DEK. An admin makes it, with ``kms dek create``: no request can."""
    kms: kms_core.aio.Kms = request.app.state.kms
    try:
        return await kms.get_dek(f"tenant-{tenant}")
    except (kms_core.DekNotFoundError, kms_core.DekIdError):
        raise HTTPException(404, "no such tenant") from None


Dek = Annotated[bytes, Depends(tenants_dek)]


@app.post("/tenants/{tenant}/encrypt")
async def encrypt(tenant: str, dek: Dek, request: Request) -> Response:
    """Encrypt the body for the tenant."""
    nonce = os.urandom(NONCE_SIZE)
    sealed = AESGCM(dek).encrypt(nonce, await request.body(), tenant.encode())
    return Response(nonce + sealed)


@app.post("/tenants/{tenant}/decrypt")
async def decrypt(tenant: str, dek: Dek, request: Request) -> Response:
    """Decrypt what was encrypted for the tenant."""
    cipher, body = AESGCM(dek), await request.body()
    nonce, sealed = body[:NONCE_SIZE], body[NONCE_SIZE:]
    try:
        return Response(cipher.decrypt(nonce, sealed, tenant.encode()))
    except (InvalidTag, ValueError):
        raise HTTPException(400, "not encrypted for this tenant, or altered") from None
