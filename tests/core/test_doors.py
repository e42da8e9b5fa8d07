"""The doors: what is behind them, and that it is documented."""

from __future__ import annotations

import inspect

import pytest

import kms_core
from kms_core import aio, backend

DOORS = (kms_core, backend, aio)


def test_the_applications_door_is_small() -> None:
    assert len(kms_core.__all__) <= 40


def test_a_name_is_behind_one_door() -> None:
    assert not {*kms_core.__all__} & {*backend.__all__}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_name_is_there_and_in_order(door: object) -> None:
    names: list[str] = door.__all__  # type: ignore[attr-defined] # every door has it
    assert [name for name in names if not hasattr(door, name)] == []
    assert len(names) == len({*names})


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_everything_that_can_have_a_docstring_has_one(door: object) -> None:
    public = {name: getattr(door, name) for name in door.__all__}  # type: ignore[attr-defined] # likewise
    ours = {n: v for n, v in public.items() if inspect.isclass(v) or inspect.isfunction(v)}
    assert [name for name, value in ours.items() if not (value.__doc__ or "").strip()] == []
