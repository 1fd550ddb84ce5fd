"""Jobs on several threads."""

from __future__ import annotations

from ihaudit.attacks.numerics import parallel


def test_jobs_keep_their_order() -> None:
    assert parallel.run_jobs(lambda x: x * x, list(range(20))) == [x * x for x in range(20)]
