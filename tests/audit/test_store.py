"""What attacks keep from run to run: names that stay inside one folder, and nothing lost that is not replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ihaudit.audit.store import FolderStore, serve


def test_what_is_kept_comes_back_until_it_is_replaced(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "x" / "networks")
    assert store.read("similarity.json") is None and not store.folder.exists()
    store.write("similarity.json", b"1")
    store.write("similarity.json", b"2")
    assert FolderStore(store.folder).read("similarity.json") == b"2"
    assert serve(store, ("similarity.json", None)) == b"2"
    assert serve(store, ("membership.safetensors", b"w")) is None
    assert store.read("membership.safetensors") == b"w"


@pytest.mark.parametrize("name", ["../x.json", "a/b.json", "x.txt", ".json", "/etc/x.json", "A.json", "x.json\n", ""])
def test_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(ValueError, match="cannot be kept"):
        store.read(name)
    with pytest.raises(ValueError, match="cannot be kept"):
        store.write(name, b"")
    assert serve(store, (name, None)) is None


@given(st.none() | st.integers() | st.text() | st.tuples(st.integers(), st.none()))
def test_nonsense_from_a_worker_is_answered_with_nothing(request_: object) -> None:
    assert serve(FolderStore(Path("nowhere")), request_) is None


def test_without_a_store_nothing_is_kept() -> None:
    assert serve(None, ("a.json", b"x")) is None and serve(None, ("a.json", None)) is None


def test_a_folder_that_cannot_be_written_loses_what_was_to_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FolderStore(tmp_path / "file")
    store.write("a.json", b"x")
    assert store.read("a.json") is None
