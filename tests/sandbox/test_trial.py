"""What is said of a release of a few images."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.release import Provenance, Release
from ihaudit.sandbox.trial import provenance_remark


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (1, "1 encoding of 8 images does not say which"),
        (3, "3 encodings of 8 images do not say which"),
        (8, "row i is taken to be made of image i"),
    ],
)
def test_what_is_said_where_no_provenance_is_stated(rows: int, said: str) -> None:
    assert said in provenance_remark(Release(np.zeros((rows, 2, 2, 3), np.float32)), 8)


def test_nothing_is_said_where_it_is_stated() -> None:
    release = Release(np.zeros((1, 2, 2, 3), np.float32), provenance=Provenance(np.arange(8)[None]))
    assert provenance_remark(release, 8) == ""
