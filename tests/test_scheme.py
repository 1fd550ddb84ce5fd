"""What a scheme says of itself."""

from __future__ import annotations

import pytest

from ihaudit.scheme import KeyScope, Scheme
from ihaudit.schemes.etc import EncryptionThenCompression
from ihaudit.schemes.pixel_encryption import PixelEncryption


@pytest.mark.parametrize(
    ("word", "scope"),
    [("image", "image"), ("release", "release"), ("fixed", "fixed"), ("fresh", "image"), ("dataset", "release")],
)
def test_the_scope_of_a_key_by_its_name_and_by_its_former_one(word: str, scope: str) -> None:
    assert KeyScope.parse(word) == scope


@pytest.mark.parametrize("word", ["", "sometimes", None, 3])
def test_another_word_is_refused_with_those_that_there_are(word: object) -> None:
    with pytest.raises(ValueError, match="expected 'image', 'release' or 'fixed'"):
        KeyScope.parse(word)


def test_a_scheme_that_says_nothing_has_a_key_for_every_image() -> None:
    assert Scheme().key == "image"


@pytest.mark.parametrize("scheme", [EncryptionThenCompression, PixelEncryption])
def test_the_scope_follows_the_parameters(scheme: type[EncryptionThenCompression | PixelEncryption]) -> None:
    assert scheme().key == "release" and scheme(fresh=True).key == "image"
