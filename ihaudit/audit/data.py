"""The images of an audit: which are private, which the adversary may know, which nobody is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ihaudit.audit.options import AuditOptions
from ihaudit.audit.profiles import Profile
from ihaudit.contracts.context import derive_seed
from ihaudit.errors import ImageError
from ihaudit.images import ImageSet, check_compatible, check_scales, load, without
from ihaudit.release import FloatArray
from ihaudit.scoring.matches import Candidates

#: Fewer population images than this, and the private ones (which the adversary may choose too) join them in games.
MIN_POPULATION = 1000


@dataclass(frozen=True)
class Data:
    """The image sets of one audit; `similar` holds no private image."""

    private: ImageSet
    public: ImageSet
    similar: ImageSet | None
    seed: int

    def _decoy_index(self) -> NDArray[np.int64]:
        """Which similar images are decoys: as many as there are private images, at most half of the similar ones."""
        available = 0 if self.similar is None else len(self.similar)
        rng = np.random.default_rng(derive_seed(self.seed, "decoys"))
        return np.sort(rng.permutation(available)[: min(len(self.private), available // 2)])

    def decoys(self) -> FloatArray | None:
        """Similar images, float32 (D, H, W, C), that no attack is shown: chance levels are measured on them."""
        if self.similar is None:
            return None
        return self.similar.images[self._decoy_index()]

    def known(self) -> ImageSet | None:
        """The similar images that an adversary with ``distribution`` has: those that are not decoys."""
        if self.similar is None:
            return None
        return self.similar.subset(np.setdiff1d(np.arange(len(self.similar)), self._decoy_index()))

    def records(self, count: int) -> ImageSet | None:
        """At most `count` of the known images, for an adversary who knows some records of the release itself."""
        known = self.known()
        if known is None or not count:
            return None
        rng = np.random.default_rng(derive_seed(self.seed, "known records"))
        return known.subset(np.sort(rng.permutation(len(known))[:count]))

    def candidates(self) -> Candidates:
        """The private images among the decoys, for an adversary who asks which is whose; the order is drawn afresh."""
        decoys = self._decoy_index()
        everything = self.private if self.similar is None else self.private.concat(self.similar.subset(decoys))
        order = np.random.default_rng(derive_seed(self.seed, "candidates")).permutation(len(everything))
        image = np.where(order < len(self.private), order, -1)
        return Candidates(everything.images[order], everything.labels[order], image.astype(np.int64))

    def in_classes(self, count: int) -> Data:
        """The same images with their classes joined into at most `count`."""
        similar = None if self.similar is None else self.similar.in_classes(count)
        return replace(self, private=self.private.in_classes(count), similar=similar)

    def population(self) -> ImageSet:
        """What games draw from: similar images, with the private ones where there are few."""
        if self.similar is None:
            return self.private
        if len(self.similar.images) >= MIN_POPULATION:
            return self.similar
        return self.similar.concat(self.private)


def load_data(options: AuditOptions, profile: Profile) -> Data:
    """Load the image sets and draw the private images.

    Raises:
        ImageError: see `ihaudit.images`; or fewer private images than --n-private asks for.
    """
    embedded = options.private == "embedded"
    spec = "embedded:private" if embedded else options.private
    source = load(spec, role="private", size=options.size, bits=options.bits)
    available = len(source.images)
    wanted = options.n_private or min(available, profile.n_private)
    if wanted > available:
        raise ImageError(f"--n-private {wanted}: {source.name} holds only {available} images")
    rng = np.random.default_rng(derive_seed(options.seed, "private"))
    order = rng.permutation(available)
    private = source.subset(np.sort(order[:wanted])) if wanted < available else source
    rest = source.subset(np.sort(order[wanted:])) if wanted < available else None
    if options.similar is not None:
        similar: ImageSet | None = load(options.similar, role="similar", size=options.size, bits=options.bits)
    elif embedded:
        similar = load("embedded:similar", role="similar", size=options.size)
    else:
        similar = rest
    edge = _public_size(options, private)
    public = load(options.public or "embedded:public", role="public", size=edge, bits=options.bits)
    if options.public is None and public.images.shape[1:] != private.images.shape[1:]:
        public = public.empty(private.images.shape[1:])
    check_compatible(private, public)
    if similar is not None:
        check_compatible(private, similar)
        check_scales(private, similar)
        similar = without(similar, private)
        if options.similar is not None and not len(similar):
            raise ImageError(f"all images of --similar {options.similar} are private ones too; give others like them")
    return Data(private, public, similar if similar is not None and len(similar) else None, options.seed)


def _public_size(options: AuditOptions, private: ImageSet) -> int:
    height, width = private.images.shape[1:3]
    return height if height == width else options.size
