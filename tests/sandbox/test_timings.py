"""What a call costs is told from the calls before it."""

from __future__ import annotations

import pytest

from ihaudit.sandbox.timings import Timings


def test_before_any_call_nothing_is_known() -> None:
    assert Timings().expected(100) == 0.0


def test_after_one_size_smaller_calls_cost_as_much_and_larger_ones_in_proportion() -> None:
    t = Timings()
    t.add(100, 2.0)
    assert t.expected(1) == 2.0 and t.expected(300) == pytest.approx(6.0)


def test_fixed_and_proportional_parts_are_told_apart_and_a_slow_first_call_is_forgotten() -> None:
    t = Timings()
    for n, seconds in [(10, 30.0), (10, 1.1), (10, 1.1), (100, 2.0), (50, 1.5)]:
        t.add(n, seconds)
    assert t.expected(200) == pytest.approx(3.0)


def test_no_part_is_negative() -> None:
    t = Timings()
    t.add(10, 1.0)
    t.add(100, 0.9)
    assert 0.9 <= t.expected(10_000) <= 1.0 and 0.9 <= t.expected(1) <= 1.0
