"""Rewraps on the workers of a Dask cluster.

What travels is ids, and the path of a config that each worker reads for itself: no credential, and
no DEK. A batch may run twice, if its worker dies or is only thought to: what is done already is
then found unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from itertools import chain, islice
from typing import Any, TypeAlias

from distributed import Client

from kms_core._deks.bulk import run_each
from kms_core._opening import open_kms
from kms_core._values import Bulk, Outcome
from kms_core.kms import Kms

Named: TypeAlias = tuple[str | None, str | None]

_SIZE = 200
"""DEKs of a batch. A scheduler spends about a millisecond on each batch."""


def rewrap_on_dask(
    scheduler: str, named: Named, dek_ids: Iterable[str], bulk: Bulk, **options: Any
) -> Iterator[Outcome]:
    """Rewrap DEKs in any order.

    Args:
        scheduler: its address, such as ``tcp://scheduler:8786``.
        named: the path of a config file on the workers and a profile in it; None twice if their
            environment says what to open.
        dek_ids: which.
        bulk: ``concurrency`` is that of each worker's thread, ``rate`` the whole cluster's.
        options: of :meth:`~kms_core.Kms.rewrap_deks`.
    """
    with Client(scheduler, set_as_default=False) as client:  # type: ignore[no-untyped-call] # it lacks types
        threads = sum(client.nthreads().values()) or 1
        rate = None if bulk.rate is None else bulk.rate / threads
        given = {"bulk": Bulk(bulk.concurrency, rate), **options}
        # Dask takes an equal call for the same one, and would not make it again.
        executor = client.get_executor(pure=False)
        submit = partial(executor.submit, _rewrap_batch, named, given)
        yield from chain.from_iterable(run_each(_batches(dek_ids), submit, 2 * threads))


def _batches(dek_ids: Iterable[str]) -> Iterator[tuple[str, ...]]:
    rest = iter(dek_ids)
    return iter(lambda: tuple(islice(rest, _SIZE)), ())


def _rewrap_batch(
    named: Named, options: Mapping[str, Any], dek_ids: tuple[str, ...]
) -> list[Outcome]:
    return list(_opened(*named).rewrap_deks(dek_ids=dek_ids, **options))


@cache
def _opened(config: str | None, profile: str | None) -> Kms:
    """Opened once in each worker: connections and credentials stay from batch to batch."""
    return open_kms(config=config, profile=profile)
