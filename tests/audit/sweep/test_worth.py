"""What a parameter is said to buy, and the figure of it."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ihaudit.audit.sweep.grid import Point
from ihaudit.audit.sweep.table import Row, summary
from ihaudit.audit.sweep.worth import entries, worth
from ihaudit.report import sweep as report
from ihaudit.report.curves import LINES, curve
from ihaudit.report.plots import drawn_on
from ihaudit.results import Cost
from ihaudit.stats import Estimate
from tests.audit.sweep.test_sweep import result


def row(point: str, ssim: float, *, cpu_s: float = 360.0, bound: float | None = 0.5, **more: Any) -> Row:
    values = tuple((k, v) for k, _, v in (p.partition("=") for p in point.split(",")))
    made = Row.of(Point(values), result(ssim))
    best = dict(made.best) | {k: ("game", Estimate(v, v - 0.02, v + 0.02, 100)) for k, v in more.items()}
    return replace(made, best=best, cpu_s=cpu_s, bound=bound)


def said(*rows: Row) -> str:
    (found,) = worth(rows)
    return found.sentence


def test_what_falls_buys_something_and_what_does_not_buys_nothing() -> None:
    text = said(row("k=10", 0.6), row("k=2", 0.9), row("k=4", 0.8))
    assert text.startswith("A larger k buys something") and "falls (0.900 at k = 2 and 0.600 at k = 10)" in text
    assert "above the bound of 0.500 at every point" in text and "about as much" in text
    text = said(row("k=2", 0.9), row("k=4", 0.89))
    assert text.startswith("It was not shown that k buys anything") and "does not differ by more than" in text
    text = said(row("T=2", 0.3, bound=0.5), row("T=50", 0.9))
    assert text.startswith("A larger T helps the attacker") and "within the bound of 0.500 at T = 2" in text


def test_a_peak_in_between_and_a_rest_that_disagrees_are_told() -> None:
    assert "highest in between, 0.970 at k=4" in said(row("k=2", 0.9), row("k=4", 0.97), row("k=6", 0.5))
    k, t = worth([row("k=2,T=1", 0.9), row("k=4,T=1", 0.5), row("k=2,T=9", 0.9), row("k=4,T=9", 0.9)])
    assert k.sentence.startswith("A larger k buys something against what was tried, in some settings of the rest only")
    assert "falls in 1 of 2 settings" in k.sentence and [e.word for e in t.effects] == ["rises at some"]
    k, _ = worth([row("k=2,T=1", 0.9), row("k=4,T=1", 0.5), row("k=2,T=9", 0.8), row("k=4,T=9", 0.4)])
    assert "likewise in all 2 settings" in k.sentence


@pytest.mark.parametrize(
    ("ssim", "said_of_it", "monotone"),
    [
        ((0.9, 0.97, 0.5), "falls (0.900 at k = 0 and 0.500 at k = 2), but is highest in between, 0.970 at k=1", False),
        (
            (0.9, 0.2, 0.9),
            "intervals (0.900 at k = 0 and 0.900 at k = 2), but is lowest in between, 0.200 at k=1",
            False,
        ),
        ((0.2, 0.9, 0.21), "but is highest in between, 0.900 at k=1", False),
        ((0.9, 0.4, 0.6, 0.2), "but rises in between, from 0.400 at k=1 to 0.600 at k=2", False),
        ((0.2, 0.6, 0.4, 0.9), "but falls in between, from 0.600 at k=1 to 0.400 at k=2", False),
        ((0.9, 0.6, 0.61, 0.2), "falls (0.900 at k = 0 and 0.200 at k = 3)", True),
        ((0.9, 0.6, 0.6, 0.59), "falls (0.900 at k = 0 and 0.590 at k = 3)", True),
    ],
)
def test_what_goes_up_and_down_is_called_no_gain(ssim: tuple[float, ...], said_of_it: str, monotone: bool) -> None:
    text = said(*(row(f"k={k}", x) for k, x in enumerate(ssim)))
    assert said_of_it in text
    assert text.startswith("A larger k buys" if monotone else "What k does is not the same throughout"), text
    assert monotone == ("in between" not in text)


def test_measures_that_disagree_are_not_called_a_gain() -> None:
    text = said(row("k=2", 0.9, advantage=0.2), row("k=4", 0.5, advantage=0.8))
    assert text.startswith("What k does is not the same throughout") and "advantage rises" in text


def test_words_and_one_value_are_no_axis_of_numbers() -> None:
    (found,) = worth([row("mask=fresh,k=2", 0.9), row("mask=reused,k=2", 0.5)])
    assert found.name == "mask" and found.values == ("fresh", "reused")
    assert found.sentence.startswith("mask matters: ")


def test_the_cost_is_in_hours_and_money() -> None:
    made = result(0.9)
    made.price_per_hour = {"cpu": 0.5, "gpu": 2.0, "currency": "EUR"}
    made.findings[0] = made.findings[0].model_copy(update={"cost": Cost(cpu_s=3600, gpu_s=1800)})
    one = Row.of(Point((("k", "2"),)), made)
    assert one.price == (1.5, "EUR")
    text = said(one, replace(one, point=Point((("k", "4"),)), cpu_s=7200.0, price=(2.0, "EUR")))
    assert "1.000 CPU-hours, 0.500 GPU-hours, 1.500 EUR at k = 2" in text and "(2.0 times as much)" in text


@pytest.fixture
def grid() -> list[Row]:
    return [row(f"k={k},T={t}", 1 - k / 20, advantage=0.5, cpu_s=k * t) for k in (2, 4, 8) for t in range(1, 13)]


def test_each_parameter_has_one_figure(grid: list[Row], tmp_path: Path) -> None:
    data = summary(grid) | {"parameters": entries(grid)}
    page = report.page(data, tmp_path)
    assert page.count("<figure") == 2 and "What each parameter buys" in page and "<script" not in page
    with drawn_on() as figures:
        for parameter in data["parameters"]:
            assert curve(data, parameter) is not None
    labels = [[ax.get_ylabel() for ax in f.axes] for f in figures]
    assert labels == [["SSIM, 90 % quantile", "advantage of a game", "strongest attack, CPU-hours"]] * 2
    assert {ax.get_xlabel() for f in figures for ax in f.axes} == {"k", "T"}
    assert [len(f.legends[0].texts) for f in figures] == [LINES, 3]
    assert [len(f.axes[0].get_xticks()) for f in figures] == [3, 6]  # of twelve values every second is named
    chart = curve(data, data["parameters"][0])
    assert chart is not None and f"{LINES} of 12 settings" in chart.caption
    assert base64.b64decode(chart.uri.partition(",")[2]).startswith(b"<?xml")


def test_what_nobody_measured_has_no_figure() -> None:
    bare = [replace(r, best={}, cpu_s=None) for r in (row("k=2", 0.9), row("k=4", 0.9))]
    data = summary(bare) | {"parameters": entries(bare)}
    assert curve(data, data["parameters"][0]) is None
    sentence = data["parameters"][0]["sentence"]
    assert sentence == (
        "Nothing that was measured says whether k buys anything: no attack and no game came to a figure at any value."
    )


def test_where_nothing_answered_nothing_is_said() -> None:
    silent = [replace(row(f"k={k}", 0.9), best={}, cpu_s=None) for k in (1, 2, 3, 5, 6)]
    text = said(*silent, row("k=7", 0.5, cpu_s=3600.0), row("k=9", 0.2, cpu_s=7200.0))
    assert "0.500 at k = 7 and 0.200 at k = 9" in text and "at k = 1, 2, ..., 6 (5), of which nothing is said" in text
    assert "1.000 CPU-hours at k = 7 and 2.000 CPU-hours at 9" in text
