"""What attacks keep from run to run: names that stay inside one folder, and nothing lost that is not replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ihaudit.audit.remote import answer
from ihaudit.audit.store import FolderStore


def test_what_is_kept_comes_back_until_it_is_replaced(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "x" / "networks")
    assert store.read("similarity.json") is None and not store.folder.exists()
    store.write("similarity.json", b"1")
    store.write("similarity.json", b"2")
    assert FolderStore(store.folder).read("similarity.json") == b"2"
    assert answer("read", (("similarity.json",), {}), store) == ("ok", b"2")
    assert answer("write", (("membership.safetensors", b"w"), {}), store) == ("ok", None)
    assert store.read("membership.safetensors") == b"w"


@pytest.mark.parametrize("name", ["../x.json", "a/b.json", "x.txt", ".json", "/etc/x.json", "A.json", "x.json\n", ""])
def test_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(ValueError, match="cannot be kept"):
        store.read(name)
    with pytest.raises(ValueError, match="cannot be kept"):
        store.write(name, b"")
    assert answer("read", ((name,), {}), store)[0] == "error"


@given(st.none() | st.integers() | st.text() | st.tuples(st.integers(), st.none()))
def test_nonsense_from_a_worker_is_answered_with_an_error(request_: object) -> None:
    assert answer("read", request_, FolderStore(Path("nowhere")))[0] == "error"


def test_without_a_store_nothing_is_kept() -> None:
    assert answer("write", (("a.json", b"x"), {}), None) == answer("read", (("a.json",), {}), None)


def test_a_folder_that_cannot_be_written_loses_what_was_to_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FolderStore(tmp_path / "file")
    store.write("a.json", b"x")
    assert store.read("a.json") is None
