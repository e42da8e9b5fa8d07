"""Where a backend's calls go, so that ``kms doctor`` can try the way by itself."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Route:
    """The way that the SDK takes to a service.

    Attributes:
        url: the service's, with scheme and host.
        proxy: the URL of the proxy that the SDK goes through, if it does; it may hold a password.
            Without a scheme it is plain http; one of another scheme is not tried.
        ca_file: the file or folder of authorities that the SDK trusts; by default this machine's.
    """

    url: str
    proxy: str | None = field(default=None, repr=False)
    ca_file: str | None = None
