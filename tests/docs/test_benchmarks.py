"""What the docs say of performance is what was measured."""

from __future__ import annotations

import json
from typing import Any

from benchmarks import report
from benchmarks.rounds import Row, ratio


def results() -> Any:
    return json.loads(report.RESULTS.read_text("utf-8"))


def test_page_and_plots_show_the_last_results() -> None:
    made = report.make(results())
    assert len(made) == 1 + len(report.PLOTS)
    for path, text in made.items():
        assert path.read_text("utf-8") == text, f"run: python -m benchmarks.report ({path.name})"


def test_table_says_which_aim_was_missed() -> None:
    rows = [
        {**Row("q", "kms-core", 2.0, "ms", 1.05, "boto3", aim)._asdict()}
        for aim in ("≤ 1.03", "≤ 1.05", "≥ 1.8")
    ]
    page = report.make({**results(), "rows": {"clouds": rows}})[report.PAGE]
    assert page.count("| kms-core | 2 ms | 1.05 | ≤ 1.03: missed |") == 1
    assert page.count("| kms-core | 2 ms | 1.05 | ≤ 1.05 |") == 1
    assert page.count("| kms-core | 2 ms | 1.05 | ≥ 1.8: missed |") == 1


def test_ratio_is_of_rounds_that_follow_each_other() -> None:
    # A machine that slows down for both changes no ratio.
    assert ratio([2.0, 20.0, 200.0], [1.0, 10.0, 100.0]) == 2.0
