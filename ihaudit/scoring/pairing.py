"""Which candidate stands for which private image, and which for which decoy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.attack import AttackOutput
from ihaudit.figures import number
from ihaudit.metrics import matching
from ihaudit.metrics.poses import Fitted, Poses
from ihaudit.release import Provenance, Truth

#: How much better, in mean SSIM and beyond matching's gain on decoys, pixels must fit than the stated provenance.
DOUBT = 0.02


@dataclass(frozen=True, eq=False)
class Pairing:
    """Candidates beside private images and decoys; -1 stands for none.

    Attributes:
        how: ``provenance``, ``assignment``, ``nearest`` (baselines), or ``none`` (there is no candidate).
        private: int64 (N,), the candidate of each private image.
        decoys: int64 (D,), the candidate of each decoy.
        kept: int64 (K,), the candidates that count.
        local: int64 (N,), as `private`, but an index into `kept`.
        similarity: float32 (K, N + D), pinned SSIM of the kept candidates with private images and decoys.
        image_of: int64 (R,), the private image that each candidate stands for where stages are judged.
        notes: for the finding's details.
        unseen: int64 (N,), as `local`, but where there are copies, which of their candidates shows which was not chosen
            by its pixels.
        fitted: of the kept candidates with private images and decoys in their best poses, where images are moved.
    """

    how: str
    private: NDArray[np.int64]
    decoys: NDArray[np.int64]
    kept: NDArray[np.int64]
    local: NDArray[np.int64]
    similarity: NDArray[Any]
    image_of: NDArray[np.int64]
    notes: dict[str, Any]
    unseen: NDArray[np.int64]
    fitted: Fitted | None = None

    def poses(self, private: bool) -> NDArray[np.int64]:
        """int64 (N,) or (D,): the pose of each image's (decoy's) candidate, 0 for none."""
        chosen, n = (self.private if private else self.decoys), len(self.private)
        out = np.zeros(len(chosen), np.int64)
        if self.fitted is not None and len(self.kept):
            place = np.full(int(self.kept.max()) + 1, 0, np.int64)
            place[self.kept] = np.arange(len(self.kept))
            there = np.flatnonzero(chosen >= 0)
            out[there] = self.fitted.pose[place[chosen[there]], there + (0 if private else n)]
        return out

    def reached(self) -> tuple[float, float]:
        """Mean SSIM over private images, and over decoys, of this pairing; 0 for images without a candidate."""
        if not len(self.kept):
            return 0.0, 0.0
        place = np.full(int(self.kept.max()) + 1, -1, np.int64)
        place[self.kept] = np.arange(len(self.kept))
        private, decoys = (np.where(v >= 0, place[np.maximum(v, 0)], -1) for v in (self.private, self.decoys))
        n = len(private)
        return _mean_score(self.similarity[:, :n], private), _mean_score(self.similarity[:, n:], decoys)


def pair(
    output: AttackOutput,
    images: NDArray[Any],
    truth: Truth,
    decoys: NDArray[Any] | None,
    reuse: bool,
    device: str,
    poses: Poses | None = None,
) -> Pairing:
    """Decide which candidate stands for which private image, and which for which decoy.

    Args:
        output: the answer.
        images: float32 (R, H, W, C) its candidates in [0, 1], NaN in those that are not finite.
        truth: private images and provenance.
        decoys: float32 (D, H, W, C) or None.
        reuse: let one candidate serve any number of images.
        device: torch device.
        poses: in which candidates may be compared, each pair in its best one.
    """
    n, d = len(truth.images), 0 if decoys is None else len(decoys)
    rank = matching.ranking(len(images), output.members, output.coefficients, output.confidence)
    kept = matching.shortlist(images, rank[np.isfinite(images[rank]).all(axis=(1, 2, 3))], n)
    pool = np.asarray(truth.images, np.float32) if decoys is None else np.concatenate([truth.images, decoys])
    if len(kept) == 0:
        empty = np.zeros((0, n + d), np.float32)
        none = np.full(n, -1, np.int64)
        return Pairing("none", none, np.full(d, -1, np.int64), kept, none, empty, np.full(len(images), -1), {}, none)
    fitted = None if poses is None else poses.fit(images[kept], pool, device=device)
    scores = matching.similarity(images[kept], pool, device=device) if fitted is None else fitted.similarity
    choose = _nearest if reuse else matching.assign
    how, local, fake = "nearest" if reuse else "assignment", choose(scores[:, :n]), choose(scores[:, n:])
    notes: dict[str, Any] = {}
    image_of = np.full(len(images), -1, np.int64)
    p = truth.provenance
    if p is not None and output.members is not None and not reuse and fits(output.members, p):
        evidence = matching.votes(
            n, len(images), output.members, output.coefficients, np.asarray(p.sources), p.coefficients
        )
        strict = matching.by_provenance(evidence[kept], np.arange(len(kept)))
        # Decoys have no provenance; candidate i is put beside decoy i, which looks at no pixel either.
        blind = np.where(np.arange(d) < len(kept), np.arange(d), -1)
        by_pixels, by_record = _mean_score(scores[:, :n], local), _mean_score(scores[:, :n], strict)
        gain = max(0.0, _mean_score(scores[:, n:], fake) - _mean_score(scores[:, n:], blind)) if d else 0.05
        notes["ssim_by_provenance"], notes["ssim_by_assignment"] = by_record, by_pixels
        # Stages are judged by who is with whom, also where pictures are too poor to be told apart.
        judged = matching.by_provenance(evidence, rank)
        image_of[judged[judged >= 0]] = np.flatnonzero(judged >= 0)
        if by_record >= by_pixels - gain - DOUBT:
            how, local, fake = "provenance", strict, blind
        else:
            notes["pairing_note"] = (
                "reconstructions fit the private images better than the stated provenance of their encodings does; "
                "they are paired by assignment instead"
            )
    unseen = _shared(local, truth.images) if how == "provenance" else local
    if not reuse:
        local, fake = _with_twins(local, scores[:, :n], truth.images, notes), _with_twins(fake, scores[:, n:], decoys)
    if not (image_of >= 0).any():
        image_of[kept[local[local >= 0]]] = np.flatnonzero(local >= 0)
    return Pairing(how, _outer(kept, local), _outer(kept, fake), kept, local, scores, image_of, notes, unseen, fitted)


def _with_twins(
    chosen: NDArray[np.int64], scores: NDArray[Any], images: NDArray[Any] | None, notes: dict[str, Any] | None = None
) -> NDArray[np.int64]:
    """Copies of one picture shown by one candidate; `notes` names the copies."""
    if images is None or len(images) < 2:
        return chosen
    group = matching.twins(images)
    copies = np.bincount(group)[group] > 1
    if not copies.any():
        return chosen
    if notes is not None:
        sets = [np.flatnonzero(group == g).tolist() for g in np.unique(group[copies])]
        alone = _mean_score(scores, chosen, least=-1.0)
        notes |= {"twins": int(copies.sum()), "twin_sets": sets[:20], "pictures": len(np.unique(group))}
        notes["ssim_each_its_own"] = alone
        notes["flags"] = [
            f"{int(copies.sum())} of {len(images)} private images are copies of {len(sets)} "
            f"picture{'' if len(sets) == 1 else 's'}, or nearly "
            f"(such as images {', '.join(map(str, sets[0][:5]))}); one answer counts for all copies of a picture. "
            f"Were each copy judged by an answer of its own, mean SSIM would be {number(alone)}."
        ]
    return matching.credited(chosen, scores, group)


def _shared(chosen: NDArray[np.int64], images: NDArray[Any]) -> NDArray[np.int64]:
    """Images without a candidate get the first one of their copies."""
    group = matching.twins(images)
    out = chosen.copy()
    for g in np.unique(group[chosen < 0]):
        there = chosen[(group == g) & (chosen >= 0)]
        if len(there):
            out[(group == g) & (chosen < 0)] = there[0]
    return out


def _nearest(scores: NDArray[Any]) -> NDArray[np.int64]:
    return np.asarray(scores.argmax(axis=0), np.int64)


def _outer(kept: NDArray[Any], local: NDArray[Any]) -> NDArray[np.int64]:
    return np.where(local >= 0, kept[np.maximum(local, 0)], -1).astype(np.int64)


def _mean_score(scores: NDArray[Any], chosen: NDArray[Any], *, least: float = 0.0) -> float:
    """Mean SSIM over images of a pairing, none below `least` (-1: as reported), 0 for those without a candidate."""
    if scores.shape[1] == 0:
        return 0.0
    own = scores[np.maximum(chosen, 0), np.arange(scores.shape[1])]
    return float(np.where(chosen >= 0, np.maximum(own, least), 0.0).mean())


def fits(members: NDArray[Any], provenance: Provenance) -> bool:
    """Whether members and provenance are of the same encodings."""
    return members.ndim == 2 and len(members) == len(provenance.sources)
