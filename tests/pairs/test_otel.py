"""What observer://otel tells, and that it passes the kit."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

import kms_core
from kms_core.builtin.local.key_file import new_key_file
from kms_core.builtin.otel import metrics, names
from kms_core.builtin.otel.observer import OtelObserver
from kms_core.testing import ObserverConformance, ObserverHarness
from tests.docs.pages import DOCS
from tests.secret_files import write_private
from tests.spans import Telemetry, run_sdk

STORE = "storage://memory"


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with run_sdk() as telemetry:
        yield telemetry


@pytest.fixture
def kek(tmp_path: Path) -> str:
    return f"kms://local?keyFile={write_private(tmp_path / 'kek.toml', new_key_file())}"


class TestOtelObserver(ObserverConformance):
    @pytest.fixture
    def harness(self, telemetry: Telemetry) -> ObserverHarness:
        def read_notes() -> str:
            told = [*telemetry.counts().items(), *telemetry.measured().items()]
            return "\n".join(map(str, told))

        return ObserverHarness(
            open=lambda: OtelObserver(OtelObserver.Config()),
            read_notes=read_notes,
            read_counts=telemetry.counts,
        )


def test_spans(kek: str, telemetry: Telemetry) -> None:
    with kms_core.open_kms(kek, STORE, observers=["otel"]) as kms:
        kms.get_dek("volume-42", create=True)
        described = kms.describe_kek()
        with pytest.raises(kms_core.DekNotFoundError):
            kms.get_dek("volume-43")
    assert {span.kind for span in telemetry.spans} == {SpanKind.INTERNAL}
    load, _, _, _, made, _, declined, failed, *_ = telemetry.spans
    assert made.attributes == {
        "kms.backend": "kms://local",
        "kms.operation": "get_dek",
        "kms.outcome": "done",
        "kms.created": True,
        "kms.kek.id": described.kek_id,
        "kms.kek.version": described.kek_version,
    }
    for span in (load, declined):  # a question was answered, and nothing failed
        assert span.status.status_code is StatusCode.UNSET
        assert (span.attributes or {})["kms.answer"] == "DekNotFoundError"
        assert "error.type" not in (span.attributes or {})
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description is None
    assert (failed.attributes or {})["error.type"] == "DekNotFoundError"
    assert not any(span.events for span in telemetry.spans)


def test_an_id_is_told_where_that_is_wanted_and_never_by_a_metric(
    kek: str, telemetry: Telemetry
) -> None:
    for observers in (["otel"], [{"backend": "otel", "dekIds": True}]):
        telemetry.exporter.clear()
        with kms_core.open_kms(kek, STORE, observers=observers) as kms:
            kms.create_dek("volume-42")
        told = {(span.attributes or {}).get("kms.dek.id") for span in telemetry.spans}
        assert ("volume-42" in told) == (observers != ["otel"])
    assert "volume-42" not in str(telemetry.measured())


def test_metrics(kek: str, telemetry: Telemetry) -> None:
    with kms_core.open_kms(kek, STORE, observers=["otel"]) as kms:
        kms.create_dek("volume-42")
        with pytest.raises(kms_core.DekExistsError):
            kms.create_dek("volume-42")
    found = telemetry.measured()
    assert {name: unit for name, (unit, _) in found.items()} == {
        "kms.client.operation.duration": "s",
        "kms.client.hook.duration": "s",
        "kms.client.deks.created": "{dek}",
    }
    operation = {"kms.backend": "kms://local", "kms.operation": "create_dek"}
    _, operations = found["kms.client.operation.duration"]
    assert operation | {"kms.outcome": "done"} in operations
    assert operation | {"kms.outcome": "failed", "error.type": "DekExistsError"} in operations
    assert found["kms.client.deks.created"] == ("{dek}", [operation])


def test_lookups_in_the_cache(kek: str, telemetry: Telemetry) -> None:
    with kms_core.open_kms(kek, STORE, observers=["otel"], cache={"ttl": 300}) as kms:
        kms.create_dek("a")
        kms.forget_dek("a")
        kms.get_dek("a")
        telemetry.exporter.clear()
        kms.get_dek("a")
        [span] = telemetry.spans
    assert (span.attributes or {})["kms.cache.hit"] is True
    _, series = telemetry.measured()["kms.client.cache.lookups"]
    told = {"kms.backend": "kms://local"}
    assert {*map(str, series)} == {str(told | {"kms.cache.hit": hit}) for hit in (True, False)}


def test_the_current_span_is_the_programs_again(kek: str, telemetry: Telemetry) -> None:
    with (
        kms_core.open_kms(kek, STORE, observers=["otel", "otel"]) as kms,
        trace.get_tracer("an application").start_as_current_span("mine") as mine,
    ):
        with pytest.raises(kms_core.DekNotFoundError):
            kms.get_dek("volume-42")
        assert trace.get_current_span() is mine


PAGE = DOCS / "how-to/opentelemetry.md"
DASHBOARD = DOCS / "dashboards/kms-core.json"


def test_the_page_lists_what_there_is() -> None:
    rows = dict(
        re.findall(r"^\| `([a-z._]+)` \| (spans|histogram|counter)", PAGE.read_text(), re.MULTILINE)
    )
    attributes = {
        value for name, value in vars(names).items() if name.isupper() and name != "SCOPE"
    }
    assert {name for name, kind in rows.items() if kind == "spans"} == attributes
    measured = {
        metrics.OPERATION_DURATION,
        metrics.HOOK_DURATION,
        metrics.DEKS_CREATED,
        metrics.CACHE_LOOKUPS,
    }
    assert {name for name, kind in rows.items() if kind != "spans"} == measured


def test_the_dashboard_names_what_there_is(kek: str, telemetry: Telemetry) -> None:
    """Under the names that Prometheus gives to it."""
    with kms_core.open_kms(kek, STORE, observers=["otel"], cache={"ttl": 300}) as kms:
        kms.create_dek("volume-42")
        kms.get_dek("volume-42")
        with pytest.raises(kms_core.DekNotFoundError):
            kms.get_dek("volume-43")
    suffixes = {"s": ("_seconds_bucket", "_seconds_count")}
    known = {"le", "quantile"}
    for name, (unit, series) in telemetry.measured().items():
        known |= {name.replace(".", "_") + suffix for suffix in suffixes.get(unit, ("_total",))}
        known |= {label.replace(".", "_") for attributes in series for label in attributes}
    queries = re.findall(r'"(?:expr|query)": "(.*[(].*)"', DASHBOARD.read_text())
    assert len(queries) > 5
    used = {name for query in queries for name in re.findall(r"\b(?:kms|error)_[a-z_]+", query)}
    assert used <= known
    assert {name for name in known if name.startswith("kms_client")} <= used


def test_without_an_sdk_nothing_is_kept(kek: str) -> None:
    with kms_core.open_kms(kek, STORE, observers=["otel"]) as kms:
        assert len(kms.create_dek("volume-42")) == 32


def test_without_the_extra(kek: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("kms_core.builtin.otel.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(kms_core.ConfigError, match=r"pip install 'kms-core\[otel\]'"):
        kms_core.open_kms(kek, STORE, observers=["otel"])
