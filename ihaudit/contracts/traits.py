"""What an encoder is like, as measured: which controls are its siblings, and under which key games are played."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ihaudit.scheme import KeyScope

#: What one encoding is: shaped like the image, a map of another size or depth, a set of vectors, one vector.
Form = Literal["image", "map", "tokens", "vector"]
FORMS: dict[Form, str] = {
    "image": "encodings shaped like images",
    "map": "feature maps",
    "tokens": "sets of vectors",
    "vector": "vectors",
}


@dataclass(frozen=True)
class Traits:
    """Measured where a few small calls can tell, else as declared.

    Attributes:
        image: (H, W, C) of the audited images.
        form: of an encoding.
        key: the scope of the key; `measured` says whether it is more than the declaration.
        measured: the scope was measured.
        mixing: rows hold several private images, or it is not known which one.
        masked: every value's sign is random.
        resembles: an encoding looks like its own image more than like others.
        steady: besides fresh randomness an encoding has much that is the same in every call, as under a fixed key.
        rearranged: an encoding holds the values of its image, in another order.
    """

    image: tuple[int, int, int]
    form: Form = "image"
    key: KeyScope = KeyScope.IMAGE
    measured: bool = False
    mixing: bool = False
    masked: bool = False
    resembles: bool = False
    steady: bool = False
    rearranged: bool = False

    @property
    def keyed(self) -> bool:
        """Several encodings share a key, or a fixed map: what is learned from some of them applies to others."""
        return self.key is not KeyScope.IMAGE or self.steady

    def with_key(self, key: KeyScope) -> Traits:
        """The same with another key."""
        return replace(self, key=key)

    @property
    def size(self) -> str:
        """``28 x 28 x 1 images``."""
        return " x ".join(map(str, self.image)) + " images"


def divisor(traits: Traits, largest: int) -> int:
    """The largest edge of a block, at most `largest`, that divides both sides of the images (1 always does)."""
    height, width, _ = traits.image
    return max(b for b in range(1, largest + 1) if height % b == 0 and width % b == 0)
