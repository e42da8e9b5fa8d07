"""``observer://audit``: one line of JSON for each call that was asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

from kms_core import KmsError
from kms_core.backend import BackendConfig, Event, ObserverSpec, PerProcess, SecretBytes, hookimpl
from kms_core.builtin.audit.chain import MIN_KEY_SIZE, Sealer
from kms_core.builtin.audit.trail import StandardError, Trail, TrailFile

_MAX_TEXT = 1000
"""Most characters of a text in a line, so that no line is long, whatever a caller is named."""


class AuditObserver(ObserverSpec):
    """Keeps a trail that shows whether anybody changed it."""

    class Config(BackendConfig):
        """Where the trail is, and what it tells.

        Attributes:
            path: the file; standard error without it.
            fsync: whether each line is to survive a power failure.
            hooks: whether there is a line for each hook too.
            key: a key of the hashes, at least 32 bytes of text.
        """

        path: Path | None = None
        fsync: bool = False
        hooks: bool = False
        key: SecretBytes | None = None

        def __post_init__(self) -> None:
            """Check the key's length. Raises ValueError."""
            super().__post_init__()
            if self.key is not None and len(self.key) < MIN_KEY_SIZE:
                raise ValueError(f"key has fewer than {MIN_KEY_SIZE} bytes; see `openssl rand`")

    def __init__(self, config: Config) -> None:
        self._config = config
        self._writers = PerProcess(lambda: _Writer(_open_trail(config)), _Writer.flush)

    @hookimpl
    def observe(self, event: Event) -> None:
        is_asked = event.parent is None and event.operation != "close"
        if is_asked or self._config.hooks:
            self._writers.get().write(_fields(event, hooks=self._config.hooks))

    @hookimpl
    def close(self) -> None:
        self._writers.close()


def _open_trail(config: AuditObserver.Config) -> Trail:
    sealer = Sealer(None if config.key is None else config.key.get_secret_value())
    if config.path is None:
        return StandardError(sealer)
    return TrailFile(config.path, sealer, fsync=config.fsync)


def _fields(event: Event, *, hooks: bool) -> dict[str, object]:
    """What a line tells. What is not known is left out."""
    fields = {
        "time": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "operation": event.operation,
        "backend": event.backend,
        "dek_id": event.dek_id,
        "kek_id": event.kek_id,
        "kek_version": event.kek_version or None,
        "outcome": event.outcome,
        "error": event.error,
        "seconds": round(event.seconds, 6),
        "made": event.made,
        "cached": event.cached,
        "caller": event.caller,
        "call": event.call if hooks else None,
        "parent": event.parent if hooks else None,
    }
    return {
        name: value[:_MAX_TEXT] if isinstance(value, str) else value
        for name, value in fields.items()
        if value is not None
    }


class _Writer:
    """Writes lines in turn, also those of a signal handler that came while one was written."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._lock, self._writing = RLock(), False
        self._waiting: deque[Mapping[str, object]] = deque()
        self._lost = 0

    def write(self, fields: Mapping[str, object]) -> None:
        self._waiting.append(fields)
        self.flush()

    def flush(self) -> None:
        with self._lock:
            if self._writing:  # by this very thread, which goes on when its handler has ended
                return
            self._writing = True
            try:
                while self._waiting:
                    self._write_first()
            finally:
                self._writing = False

    def _write_first(self) -> None:
        lost = {"lost": self._lost} if self._lost else {}
        try:
            self._trail.append({**self._waiting[0], **lost})
        except (KmsError, OSError):
            self._lost += 1
            self._waiting.popleft()
            raise
        # Who is interrupted before this writes the line again later, and so loses none.
        self._waiting.popleft()
        self._lost = 0
