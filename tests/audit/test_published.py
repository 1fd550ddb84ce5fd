"""A published release is read, refused where it is none, and told from what the code does not make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ihaudit.audit import published
from ihaudit.audit.canonical import canonical
from ihaudit.errors import UsageError
from ihaudit.release import FloatArray, Provenance, Release

IMAGES = np.random.default_rng(0).random((20, 8, 8, 3)).astype(np.float32)


def _made(seed: int) -> Release:
    noise = np.random.default_rng(seed).random(IMAGES.shape, dtype=np.float32)
    return Release(noise, np.eye(20, dtype=np.float32), provenance=Provenance(np.arange(20)[:, None]))


def _written(release: Release, folder: Path) -> Path:
    canonical(release, "float16", tuple(release.extra), alone=True).write(folder)
    return folder / "release.npz"


def _status(release: Release, folder: Path) -> tuple[str, str]:
    path = _written(release, folder)
    made = [_made(s) for s in range(published.CALLS)]
    found = published.compared(published.read(path, 20), made, "float16", path)
    return found.status, found.sentence


def test_a_release_of_the_code(tmp_path: Path) -> None:
    assert _status(_made(99), tmp_path) == ("measured", _status(_made(98), tmp_path)[1])
    assert "value by value" in _status(_made(0), tmp_path)[1]


@pytest.mark.parametrize(
    ("encodings", "said"),
    [
        (np.sort(IMAGES.reshape(20, -1), 1).reshape(IMAGES.shape), "another kind"),
        (IMAGES[:10], "10 rows"),
        (IMAGES.reshape(20, -1), "shape"),
    ],
)
def test_what_the_code_does_not_make(encodings: FloatArray, said: str, tmp_path: Path) -> None:
    status, sentence = _status(Release(encodings), tmp_path)
    assert status == "broken" and said in sentence


def test_names_and_range(tmp_path: Path) -> None:
    one = _made(5)
    assert "'state'" in _status(Release(one.encodings, extra={"state": np.arange(3)}), tmp_path)[1]
    assert "image_range" in _status(Release(one.encodings, image_range=(0.0, 1.01)), tmp_path)[1]


def test_truth_is_the_codes_where_it_does_not_change(tmp_path: Path) -> None:
    given = published.read(_written(_made(7), tmp_path), 20)
    known = published.with_truth(given, [_made(1), _made(2)]).provenance
    assert known is not None and np.array_equal(known.sources[:, 0], np.arange(20))
    other = Release(IMAGES, provenance=Provenance(np.arange(20)[::-1, None]))
    assert published.with_truth(given, [_made(1), other]).provenance is None


def test_what_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        published.read(tmp_path / "none.npz", 20)
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(UsageError, match=r"cannot be read as a release\.npz"):
        published.read(tmp_path / "text.npz", 20)
    np.savez(tmp_path / "odd.npz", encodings=IMAGES, secret=IMAGES)
    with pytest.raises(UsageError, match="'secret'"):
        published.read(tmp_path / "odd.npz", 20)
    np.savez(tmp_path / "nan.npz", encodings=np.full((20, 4), np.nan))
    with pytest.raises(UsageError, match="NaN"):
        published.read(tmp_path / "nan.npz", 20)


def test_a_file_cut_short_is_refused_with_its_remedy(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", encodings=np.zeros((4, 8, 8, 1), np.float32))
    whole = (tmp_path / "whole.npz").read_bytes()
    for name, content in (("cut.npz", whole[: len(whole) // 2]), ("empty.npz", b""), ("text.npz", b"no archive")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=rf"{name} cannot be read as a release.npz.*copy the release.npz"):
            published.read(tmp_path / name, 4)


def _permuted(seed: int, images: FloatArray = IMAGES) -> Release:
    rng = np.random.default_rng(seed)
    values = np.stack([rng.permutation(v.ravel()) ** 2 for v in images])
    return Release(values.reshape(images.shape).astype(np.float32), np.eye(20, dtype=np.float32))


def test_a_release_of_another_scheme_with_the_same_moments_of_all_rows_is_told(tmp_path: Path) -> None:
    made = [_permuted(s) for s in range(published.CALLS)]
    other = np.random.default_rng(4).random(IMAGES.shape, dtype=np.float32)
    for release, status in (
        (_permuted(50), "measured"),
        (_permuted(50, other), "broken"),  # the same scheme, other images: rows have other moments
        (Release(np.random.default_rng(3).permuted(made[0].encodings, axis=0), made[0].labels), "broken"),
        (Release(made[0].encodings, np.eye(20, dtype=np.float32)[::-1]), "broken"),
    ):
        path = _written(release, tmp_path)
        assert published.compared(published.read(path, 20), made, "float16", path).status == status
    path = _written(_permuted(50), tmp_path)
    two = published.compared(published.read(path, 20), [_made(1), _made(2)], "float16", path)
    assert two.status == "measured"  # too few calls to say how far the code's releases are from each other


def test_what_the_code_makes_alike_under_every_seed_must_be_in_the_file(tmp_path: Path) -> None:
    def made(images: FloatArray, tag: int) -> Release:
        return Release(1 - images, np.eye(20, dtype=np.float32), extra={"tag": np.arange(20) + tag})

    code = [made(IMAGES, 0) for _ in range(3)]
    for release, said in (
        (made(IMAGES, 0), "value by value"),
        (made(np.roll(IMAGES, 1, 2), 0), "its encodings are not the code's"),
        (made(IMAGES, 1), "'tag' is not the code's"),
    ):
        path = _written(release, tmp_path)
        assert said in published.compared(published.read(path, 20), code, "float16", path).sentence
