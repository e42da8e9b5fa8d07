"""The contract of a deriver as tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import pytest

from kms_core._racing import RACERS, race
from kms_core._values import MAX_DEK_SIZE
from kms_core.backend.hookspecs import BackendSpec, DeriverSpec
from kms_core.errors import DekIdError, DekSizeError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, Scheme, clients, expect
from kms_core.testing._harness.harness import DeriverHarness
from kms_core.testing._harness.leaks import search
from kms_core.testing._harness.object_graph import held_by
from kms_core.testing.checks.errors import ErrorChecks, Requests
from kms_core.testing.checks.shared import Provoked
from kms_core.testing.checks.strange_ids import STRANGE_IDS

_DEK_ID = "key-volume"


class DeriverConformance(ErrorChecks):
    """Subclass it, and define the fixture ``harness``, which returns a :class:`DeriverHarness`."""

    harness_type = DeriverHarness

    scheme: ClassVar[Scheme] = "kms"
    harmless = ("describe_kek", {})

    @pytest.fixture
    def other(self, harness: DeriverHarness) -> Iterator[Fresh]:
        """Opens and binds the one with another secret."""
        with clients(harness.open_other, self.scheme) as other:
            yield other

    def use(self, client: Client) -> None:
        """Derive a DEK."""
        _derive(client)

    def requests(self, client: Client) -> Requests:  # noqa: ARG002 -- there is nothing to prepare
        """Derive a DEK."""
        return {"derive_dek": {"dek_id": _DEK_ID, "size": 32}}

    def provoke(self, fresh: Fresh) -> Provoked:
        """Ask for what cannot be derived."""
        client = fresh()
        dek = _derive(client)
        size = client.refuse(DekSizeError, "derive_dek", "of size 0", dek_id=_DEK_ID, size=0)
        dek_id = client.refuse(DekIdError, "derive_dek", "of an empty id", dek_id="", size=32)
        return Provoked([size, dek_id], [dek])

    @clause(DeriverSpec.derive_dek)
    def test_same_bytes(self, fresh: Fresh) -> None:
        """The same arguments give the same bytes in every process.

        Cure: derive from the secret and the arguments alone: no random value, time or
        counter.
        """
        expect("derive_dek in a fresh client", _derive(fresh()), _derive(fresh()))

    @clause(DeriverSpec.derive_dek)
    def test_other_ids(self, fresh: Fresh) -> None:
        """Another dek_id gives other bytes; case and spelling count.

        Cure: derive from the bytes of the whole dek_id, ``dek_id.encode()``, without a
        change of case or form.
        """
        client, ids = fresh(), dict[bytes, str]()
        for dek_id in (_DEK_ID, _DEK_ID.upper(), *STRANGE_IDS):
            twin = ids.setdefault(_derive(client, dek_id), dek_id)
            expect("derive_dek: the only dek_id that gives these bytes", dek_id, twin)

    @clause(DeriverSpec.derive_dek)
    def test_ids_and_sizes(self, fresh: Fresh) -> None:
        """Another dek_id gives other bytes at every size: a size is no part of an id.

        Cure: derive from the dek_id alone, or put the size where no dek_id can reach.
        """
        client = fresh()
        pairs = (("key-1", 16), ("key-", 116)), (("16key", 16), ("key", 1616))
        for (dek_id, size), (other_id, other_size) in pairs:
            one, other = _derive(client, dek_id, size), _derive(client, other_id, other_size)
            same = one == other[:size]
            expect("derive_dek: whether two ids begin with the same bytes", False, same)  # noqa: FBT003

    @clause(DeriverSpec.derive_dek)
    def test_other_secret(self, fresh: Fresh, other: Fresh) -> None:
        """Another secret gives other bytes.

        Cure: derive from the secret of the config, all of it.
        """
        same = _derive(fresh()) == _derive(other())
        expect("derive_dek: whether two secrets give the same bytes", expected=False, seen=same)

    @pytest.mark.parametrize("size", [1, 16, 32, MAX_DEK_SIZE])
    @clause(DeriverSpec.derive_dek)
    def test_size(self, fresh: Fresh, size: int) -> None:
        """Returns ``size`` bytes, 1 to 8160.

        Cure: return ``size`` bytes, neither padded nor cut from a fixed length.
        """
        expect(f"derive_dek of size {size}: its size", size, len(_derive(fresh(), size=size)))

    @pytest.mark.parametrize("size", [0, -1, MAX_DEK_SIZE + 1])
    @clause(DeriverSpec.derive_dek)
    def test_size_out_of_range(self, fresh: Fresh, size: int) -> None:
        """Raises DekSizeError for a size out of range.

        Cure: call ``check_dek_size`` first.
        """
        when = f"of size {size}"
        fresh().refuse(DekSizeError, "derive_dek", when, dek_id=_DEK_ID, size=size)

    @clause(DeriverSpec.derive_dek)
    def test_empty_id(self, fresh: Fresh) -> None:
        """Raises DekIdError for an empty dek_id.

        Cure: call ``check_dek_id`` first.
        """
        fresh().refuse(DekIdError, "derive_dek", "of an empty id", dek_id="", size=32)

    @clause(DeriverSpec.derive_dek)
    def test_no_dek_is_kept(self, fresh: Fresh) -> None:
        """The DEK is not kept, so no object is handed out again, and the client holds none.

        Cure: keep no cache of DEKs; derive each time.
        """
        client = fresh()
        dek = _derive(client)
        again = dek is _derive(client)
        expect("derive_dek: whether it returns an object again", expected=False, seen=again)
        search("derive_dek", held_by(client.plugin, "the client"), [dek])

    @clause(DeriverSpec.describe_kek)
    def test_description(self, fresh: Fresh, other: Fresh) -> None:
        """Tells nothing about the secret's value, so it says the same of another secret.

        Cure: describe the scheme, and nothing that depends on the secret, such as a
        fingerprint.
        """
        seen, of_other = (client().answer("describe_kek") for client in (fresh, other))
        expect("describe_kek of another secret", seen, of_other)

    @clause(BackendSpec)
    def test_threads(self, fresh: Fresh) -> None:
        """All hooks may be called from several threads at once, on one client.

        Cure: keep what belongs to one call in local variables.
        """
        client, ids = fresh(), [f"key-{n}" for n in range(RACERS)]
        seen = race([partial(_derive, client, dek_id) for dek_id in ids])
        expect("derive_dek in 16 threads", [_derive(fresh(), dek_id) for dek_id in ids], seen)


def _derive(client: Client, dek_id: str = _DEK_ID, size: int = 32) -> bytes:
    dek: bytes = client.answer("derive_dek", f"of size {size}", dek_id=dek_id, size=size)
    return dek
