"""The same façade for programs with an event loop: asyncio's, or trio's.

``async with kms_core.aio.open_kms() as kms: dek = await kms.get_dek("volume-42")``. What is behind
it is the façade of :mod:`kms_core`, called in threads, so every backend can be used.
"""

from kms_core.aio._kek import Kek
from kms_core.aio._kms import Kms
from kms_core.aio._opening import open_kek, open_kms

__all__ = ["Kek", "Kms", "open_kek", "open_kms"]
