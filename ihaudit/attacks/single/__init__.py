"""Attacks on a single encoding per image (Carlini et al. 2021, section 4.8.1).

`recolour` undoes the sign mask with a network and shows what remains visible of the private image in the mixture;
`single` also knows the public images, finds which were mixed in, and subtracts them.  Two attacks and not one with a
switch, because a claim's adversary either has the public set or has not, and each finding bears on its own claims.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import UsageError
from ihaudit.scheme import Knowledge


@attack("recolour")
@dataclass(frozen=True)
class RecolourAttack:
    """Undo the sign mask of each encoding by a network; the recoloured mixture stands for the private image.

    Stages:
        weights: a file written by `ihaudit train unmask`; the shipped weights where empty.
    """

    weights: str = ""

    title: ClassVar[str] = "Sign masks of single encodings"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4.8.1, first step"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    control: ClassVar[bool] = False

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        from ihaudit.attacks.single.run import recolour

        return recolour(view, ctx, weights=self.weights)


@attack("single")
@dataclass(frozen=True)
class SingleAttack:
    """Undo the sign mask, find the public images mixed in, subtract them: the private image from one encoding.

    Of encodings that hold no image of the public set, about 1 % are said to hold one: what scores reach by chance is
    measured on the mirrored set, encoding by encoding (from 20 encodings on, and where pictures are of a size that
    the network of variances suits).

    Stages:
        matching: ``filter`` (calibrated matched filter, joint fits, revisions) or ``ssim`` (as published: the most
            SSIM-similar public image, weight 1/k, recurse).
        weights: a file written by `ihaudit train unmask`; the shipped weights where empty.
        k: images per mixture, where the scheme's code is not known: ``filter`` then seeks k - 1 public images, fainter
            ones too; ``ssim`` needs it, and takes 4, the paper's, where nothing is known.
    """

    matching: Literal["filter", "ssim"] = "filter"
    weights: str = ""
    k: int = 0

    title: ClassVar[str] = "Single encodings, public set known"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4.8.1"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS, Knowledge.PUBLIC_SET})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    control: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.k and not 2 <= self.k <= 32:
            raise UsageError(f"k must lie in 2..32, not {self.k}")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        from ihaudit.attacks.single.run import single

        return single(view, ctx, matching=self.matching, weights=self.weights, k=self.k)
