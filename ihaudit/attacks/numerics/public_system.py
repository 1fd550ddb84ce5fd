"""Private images, public images and masks in turn, the public set being known.

An encoding whose public images are all known is free of noise but for its unknown mask, and with nothing unknown but
the sign of each value a mask is read off.  `PublicSystem` holds what is known so far; each of its steps re-estimates
one part of it given the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ihaudit.attacks.numerics import public_fit
from ihaudit.attacks.numerics.candidates import Candidates
from ihaudit.attacks.numerics.em import Coupling, Neighbours, residual_power, summed
from ihaudit.attacks.numerics.labels import IntArray, Slots
from ihaudit.attacks.numerics.members import Products, conditional_modes, split_shared
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.motions import Motions
from ihaudit.attacks.numerics.moved_frames import framed, wider
from ihaudit.attacks.numerics.moved_members import Moved, assign_moved
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.public_fit import Index, PublicMembers
from ihaudit.attacks.numerics.transforms import Basis
from ihaudit.errors import NotApplicable
from ihaudit.release import FloatArray

#: An encoding is explained where its residual's RMS, in units of the contrast of public images, is below this (0.4 % of
#: the range of photographs): a faint public image (weight 0.03) that is missed leaves twice as much.
EXPLAINED = 0.016
#: Or where it is that of many others: a release that was rounded, or that noise was added to, leaves the same of every
#: encoding. The width of what counts as the same (of logarithms), the share of encodings that must be alike, what they
#: may leave of the contrast of mixtures, and by what factor others may leave more.
ALIKE, MANY, FAINT, SLACK = 0.1, 0.5, 0.2, 1.3
#: Part of the weight left to public images by which those found may miss it, and absolutely.
MISSED, AT_LEAST = 0.15, 0.03
#: Leverage from which an encoding bears nothing out, since images made from it alone explain it whatever they are, and
#: up to which it counts where noise is estimated (0.5 to 0.9 were tried, with three and five uses of each image).
TRIVIAL, MOST_LEVERAGE = 0.9, 0.8
#: Explained encodings from which an image is exact: what two share beside signs and public images of their own is no
#: chance. And the coefficient from which an encoding counts.
ENOUGH, HOLDS = 2, 0.05
#: Share of an image's power that keeps coefficients finite.
RIDGE = 1e-4
#: Range of factors by which an image's coefficients may be too large together.
FACTORS = (0.5, 2.0)
#: Least noise in units of the contrast: an explained encoding must not take all the weight.
FLOOR = 0.00126
BLOCK = 512
#: Log-likelihood by which other members must be better.
MARGIN = 3.0


@dataclass(eq=False)
class PublicSystem:
    """Encodings and everything that is known of them; the steps change `images` to `unmasked`.

    Attributes:
        values: float32 (E, P) magnitudes, P = C*H*W; shape: (C, H, W).
        image_range: of the images as mixed.
        slots: what the labels say.
        of_class: images of each class.
        candidates: the public set.
        images: float32 (N, P) private images.
        members: int64 (E, s); coefficients: float32 (E, s).
        noise: float32 (E,) variances.
        found: public images of every encoding.
        unmasked: float32 (E, P) expected mixtures.
        leverage: float32 (E,), the part of each encoding's noise that `images` have taken up.
        share: float32 (E,), the weight that private images leave to public ones.
        motions: where private images were moved anew for every use, the motions there are; moved: int64 (E, s), the
            motion in each slot.
        levelled: levels of public images were fitted (`fit_levels`).
        level: what the release's own noise leaves of an encoding (RMS), as far as `settle` has found any.
    """

    values: Tensor
    shape: tuple[int, int, int]
    image_range: tuple[float, float]
    slots: Slots
    of_class: Sequence[IntArray]
    candidates: Candidates
    images: Tensor
    members: Tensor
    coefficients: Tensor
    noise: Tensor
    found: PublicMembers
    unmasked: Tensor
    leverage: Tensor
    share: Tensor
    motions: Motions | None = None
    moved: Tensor | None = None
    levelled: bool = False
    level: float = 0.0
    _index: Index | None = None

    @classmethod
    def begin(
        cls,
        values: Tensor,
        shape: tuple[int, int, int],
        image_range: tuple[float, float],
        slots: Slots,
        of_class: Sequence[IntArray],
        mixing: Mixing,
        estimate: Reconstruction,
        public: FloatArray,
        signs: Tensor | None = None,
    ) -> PublicSystem:
        """From what an attack without the public set has left, with the sign under which public images show.

        Args:
            public: float (M, H, W, C) in [0, 1].
            signs: float (E, P), expected signs if they are known better than by the images and their neighbours.

        Raises:
            NotApplicable: public images are of another shape.
        """
        c, h, w = shape
        if tuple(public.shape[1:]) != (h, w, c):
            raise NotApplicable(f"public images of shape {tuple(public.shape[1:])} were not mixed into these encodings")
        values = values.cpu().float()
        system = cls(
            values=values,
            shape=shape,
            image_range=image_range,
            slots=slots,
            of_class=of_class,
            candidates=Candidates(public, Basis(shape), *image_range),
            images=estimate.images[:-1].cpu().clone(),
            members=mixing.members.cpu().clone(),
            coefficients=mixing.coefficients.cpu().clone(),
            noise=estimate.noise.cpu().clone(),
            found=PublicMembers.none(len(values)),
            unmasked=torch.zeros_like(values),
            leverage=torch.zeros(len(values)),
            share=torch.from_numpy(slots.share),
        )
        if isinstance(mixing, MovedMixing):
            mixing = wider(mixing)
            system.motions, system.moved = mixing.motions, mixing.moved.cpu().clone()
        way_up = -1 if image_range[0] < 0 < image_range[1] and system._upside_down() else 1
        system.images = way_up * system.images
        if signs is None:
            system.expect(torch.arange(len(values)))
        else:
            system.unmasked = values * (way_up * signs.cpu().float())
        return system

    @property
    def span(self) -> float:
        """Width of the image range."""
        return self.image_range[1] - self.image_range[0]

    @property
    def contrast(self) -> float:
        """Root mean square of public images about their mean, at least a thousandth of the range."""
        return float(max(self.candidates.contrast, 1e-3 * self.span))

    def private(self, rows: Tensor) -> Tensor:
        """float32 (n, P): what the private images contribute."""
        out = torch.zeros(len(rows), self.images.shape[1])
        for slot in range(self.members.shape[1]):
            member = self.members[rows, slot]
            weight = torch.where(member >= 0, self.coefficients[rows, slot], torch.zeros(len(rows)))
            held = self.images[member.clamp_min(0)]
            if self.motions is not None and self.moved is not None:
                held = self.motions.move(held, self.moved[rows, slot])
            out += weight[:, None] * held
        return out

    def public(self, rows: Tensor) -> Tensor:
        """float32 (n, P): what the public images contribute; the unknown rest is the mean public image."""
        return self.found.part(self.candidates, rows) + self.share[rows, None] * self.candidates.mean.flatten()

    def explained(self) -> Tensor:
        """bool (E,): hardly anything is left, and not because its images were made from it alone."""
        most = max(EXPLAINED * self.contrast, SLACK * self.level)
        return (self.noise.sqrt() < most) & (self.leverage < TRIVIAL)

    def settle(self) -> None:
        """Estimates `level`, once nothing more is found: in the course of it what is still missing may be alike too."""
        self.level = 0.0
        left = self.noise[self.leverage < TRIVIAL].log().div(2).sort().values
        if len(left) == 0:
            return
        count = torch.searchsorted(left, left + ALIKE) - torch.arange(len(left))
        at = int(count.argmax())
        if int(count[at]) >= MANY * len(self.noise):
            level = float(left[at : at + int(count[at])].median().exp())
            mixtures = float((self.unmasked - self.candidates.mean.flatten()).square().mean().sqrt())
            self.level = level if level < FAINT * mixtures else 0.0

    def bearing(self) -> Tensor:
        """bool (E,): explained by as much of public images as private ones leave room for. Many public images that are
        alike can stand for what a wrong private image leaves, but then they add up to too much."""
        explained, weight = self.explained(), self.found.weight.sum(1)
        if self.levelled and bool(explained.any()):  # weights are then known up to one factor for all
            weight = weight / (weight / self.share.clamp_min(AT_LEAST))[explained].median().clamp_min(AT_LEAST)
        return explained & ((weight - self.share).abs() < (MISSED * self.share).clamp_min(AT_LEAST))

    def exact(self) -> Tensor:
        """bool (N,): which images are borne out by enough encodings."""
        return torch.bincount(self.members[self._there()], minlength=len(self.images)) >= ENOUGH

    def bound(self) -> Tensor:
        """bool (N,): images that are in no encoding that bears them out without one and the same other image, in parts
        that no label tells: a sum of the two would explain these as well."""
        n, there = len(self.images), self._there()
        count = torch.bincount(self.members[there], minlength=n)
        free = torch.from_numpy(self.slots.shared)
        if not self.slots.informative:
            free = (self.members >= 0).sum(1) > 1
        told = torch.bincount(self.members[there & ~free[:, None]], minlength=n) > 0
        both = there[:, :, None] & (self.members >= 0)[:, None, :]
        both &= self.members[:, :, None] != self.members[:, None, :]
        one, other = self.members[:, :, None].expand_as(both)[both], self.members[:, None, :].expand_as(both)[both]
        pairs, times = torch.unique(one * n + other, return_counts=True)
        bound = torch.zeros(n, dtype=torch.bool)
        bound[pairs[times >= count[pairs // n]] // n] = True
        return bound & ~told

    def _there(self) -> Tensor:
        """bool (E, s): slots of encodings that bear out the image in them."""
        return (self.members >= 0) & (self.coefficients >= HOLDS) & self.bearing()[:, None]

    def standard_error(self) -> Tensor:
        """float32 (N,): of the values of each image, by least squares and what its encodings leave."""
        normal = self._mixing().normal(1 / self.noise, ridge=1e-6)[:-1, :-1].double()
        error: Tensor = torch.linalg.inv(normal).diagonal().clamp_min(0).sqrt().float()
        return error

    def copy(self) -> PublicSystem:
        """The same, to be changed on its own."""
        return replace(
            self,
            images=self.images.clone(),
            members=self.members.clone(),
            coefficients=self.coefficients.clone(),
            noise=self.noise.clone(),
            found=PublicMembers(self.found.index.clone(), self.found.weight.clone()),
            unmasked=self.unmasked.clone(),
            leverage=self.leverage.clone(),
            share=self.share.clone(),
            moved=None if self.moved is None else self.moved.clone(),
        )

    def begin_again(self, lost: Tensor, first: PublicSystem, sign: int) -> None:
        """Images `lost` (n,) as they were at first, or negated; so those of their encodings that nothing explains."""
        self.images[lost] = sign * first.images[lost]
        rows = torch.nonzero(torch.isin(first.members, lost).any(1) & ~self.explained())[:, 0]
        self.members[rows], self.coefficients[rows] = first.members[rows], first.coefficients[rows]
        if self.moved is not None and first.moved is not None:
            self.moved[rows] = first.moved[rows]
        self.noise[rows], self.share[rows], self.leverage[rows] = first.noise[rows], first.share[rows], 0.0
        self.found.index[rows], self.found.weight[rows] = -1, 0.0
        self.expect(rows)

    def forget(self, signs: Tensor) -> None:
        """Encodings that nothing explains as if they had never been looked at, with what they hold by these signs."""
        rows = torch.nonzero(~self.explained())[:, 0]
        self.found.index[rows], self.found.weight[rows], self.leverage[rows] = -1, 0.0, 0.0
        self.unmasked[rows] = self.values[rows] * signs[rows].cpu().float()
        self.noise[rows] = self.noise.max()
        self.reassign()
        for block in rows.split(BLOCK):
            left = self.unmasked[block] - self.private(block) - self.public(block)
            self.noise[block] = left.square().mean(1)

    def residual(self, rows: Tensor) -> Tensor:
        """(n, P) in the basis: expected mixtures less all that is known of them."""
        return self._in_basis(self.unmasked[rows] - self.private(rows) - self.public(rows))

    def _in_basis(self, x: Tensor) -> Tensor:
        return self.candidates.basis.forward(x.view(-1, *self.shape))

    def _upside_down(self) -> bool:
        """Whether public images show in the negative: phase retrieval fits a set of images and its negatives alike."""
        rows = torch.arange(len(self.noise))[:: max(1, len(self.noise) // 200)][:200]
        best = []
        kept = self.images
        for sign in (1, -1):
            self.images = sign * kept
            self.expect(rows)
            left = self.residual(rows)
            response = public_fit.measure_response(left, self.candidates)
            none = torch.full((len(rows), 1), -1, dtype=torch.int64)
            score, _, _ = self.candidates.best(left, response, 1, none)
            best.append(float(score[:, 0].mean()))
        self.images = kept
        return best[1] > best[0]

    def identify(self, rows: Tensor, *, search: bool = True) -> None:
        """Searches for further public images in `rows` (or does not) and fits all candidates of each jointly."""
        if len(rows) == 0:
            return
        left = self.residual(rows)
        response = public_fit.measure_response(left, self.candidates)
        pool = known = self.found.index[rows]
        if search:
            if self._index is None:
                self._index = Index(self.candidates, response)
            pool = public_fit.merge(known, self._index.search(left, known, response))
        used = int((pool >= 0).sum(1).max())  # none, where explained encodings hold no public image
        pool = pool.sort(1, descending=True).values[:, : max(1, used)]
        own = self.found.part(self.candidates, rows)
        whole = left + self._in_basis(own)
        # coefficients of a mixture add up to one: without this, many public images that are much alike stand for what a
        # wrong private image leaves
        most = self.share[rows] if self.slots.informative and not self.levelled else None
        index, weight = public_fit.joint_fit(whole, pool, self.candidates, response, left, most)
        self.found.index[rows], self.found.weight[rows] = index, weight

    def fit_levels(self) -> None:
        """Channels of public images as they are mixed, by least squares on what they explain.

        Where images are normalised by the mean and deviation of their data set, public ones are by others (their own),
        and nothing says which.
        """
        c, size = self.shape[0], self.shape[1] * self.shape[2]
        normal, right = torch.zeros(c, 2, 2, dtype=torch.float64), torch.zeros(c, 2, dtype=torch.float64)
        for rows in torch.nonzero((self.found.index >= 0).any(1))[:, 0].split(BLOCK):
            weight = (1 / self.noise[rows]).double()
            left = (self.unmasked[rows] - self.private(rows)).view(len(rows), c, size).double()
            known = self.public(rows).view(len(rows), c, size).double()
            share = self.share[rows].double()[:, None, None].expand_as(known)
            design = torch.stack([known, share])
            normal += torch.einsum("incp,jncp,n->cij", design, design, weight)
            right += torch.einsum("incp,ncp,n->ci", design, left, weight)
        if float(normal[:, 0, 0].min()) > 0:
            gain, offset = torch.linalg.solve(normal + 1e-9 * torch.eye(2), right).float().T
            self.candidates, self._index, self.levelled = self.candidates.levelled(gain, offset), None, True

    def expect(self, rows: Tensor) -> None:
        """Expected mixtures and noise variances of `rows`; neighbouring residuals help to decide signs, as in `em`."""
        neighbours = Neighbours(self.shape, Coupling(), self.images)
        blocks = list(rows.split(BLOCK))

        def part(block: Tensor) -> tuple[Tensor, Tensor]:
            y = self.values[block]
            pred = self.private(block) + self.public(block)
            tau2 = self.noise[block, None]
            unmasked = torch.tanh(y * pred / tau2).mul_(y)
            for _ in range(2):
                unmasked = neighbours.signs(y, pred, tau2, unmasked).mul_(y)
            return unmasked, residual_power(y, unmasked, pred)

        floor = (FLOOR * self.contrast) ** 2
        for block, (unmasked, spread) in zip(blocks, run_jobs(part, blocks)):
            self.unmasked[block] = unmasked
            # a solution leaves less of an encoding the more it rests on it: without this, images that fit one encoding
            # whatever they are would outweigh all others
            kept = 1 - self.leverage[block].clamp_max(MOST_LEVERAGE)
            self.noise[block] = (spread / kept.square()).clamp_min(floor)

    def reassign(self) -> float:
        """Pairs every encoding again that is not explained, from its mixture less the public part; the share changed.

        Encodings of two images of one class take part whether or not they are explained: their split is fitted here.
        """
        labels, shared = torch.from_numpy(self.slots.label), torch.from_numpy(self.slots.shared)
        if self.motions is not None:
            return self._reassign_moved(torch.nonzero(~self.explained())[:, 0])
        rows = torch.nonzero(shared | ~self.explained())[:, 0]
        if len(rows) == 0:
            return 0.0
        power = torch.zeros(self.images.shape[1])
        for block in rows.split(BLOCK):
            power += self.residual(block).square().sum(0)
        whiten = (power / len(rows)).clamp_min(1e-12).rsqrt()
        images = self._in_basis(self.images) * whiten
        gram = images @ images.T
        before = self.members.clone()
        for part in rows.split(BLOCK):
            left = self.residual(part) * whiten
            target = left + self._in_basis(self.private(part)) * whiten
            precision = 1 / left.square().mean(1).clamp_min(1e-9)
            for alone in (True, False):
                some = shared[part] != alone
                these = part[some]
                observed = Products(target[some] @ images.T, gram, precision[some])
                given = labels[these], self.coefficients[these], self.members[these], self.of_class
                if alone:
                    handicap = torch.full_like(observed.precision, -MARGIN)
                    self.members[these], _ = conditional_modes(observed, *given, sweeps=2, handicap=handicap)
                else:
                    self.members[these], self.coefficients[these] = split_shared(observed, *given, margin=MARGIN)
        return float((self.members != before).any(1).float().mean())

    def _reassign_moved(self, rows: Tensor) -> float:
        """`reassign` under all motions, in the encodings `rows`."""
        mixing = self._mixing()
        assert isinstance(mixing, MovedMixing) and self.moved is not None
        if len(rows) == 0:
            return 0.0
        target = self.unmasked[rows] - self.found.part(self.candidates, rows)
        images = torch.cat([self.images, self.candidates.mean.flatten()[None]])
        slots = self.slots.some(rows.numpy())
        told = self.slots.informative
        if not told:
            # what is assumed of any image in a slot is what fits the one that is there
            slots = replace(slots, mass=self._likely(rows).numpy())
        one = torch.ones(1, 1).expand(target.shape)
        some = replace(mixing.some(rows), share=self.share[rows])
        result = assign_moved(Moved(target, one, self.noise[rows], images, some, slots), self.of_class)
        members = torch.from_numpy(result.found.members)
        changed = (members != self.members[rows]).any(1) | (result.moved != self.moved[rows]).any(1)
        self.members[rows], self.moved[rows] = members, result.moved
        self.coefficients[rows] = torch.from_numpy(result.found.coefficients)
        if told:
            self._split()
        return float(changed.sum()) / len(self.noise)

    def _likely(self, rows: Tensor) -> Tensor:
        """float32 (n, s): coefficients of private images as they are found in `rows`, none lost in a wrong pair."""
        usual = self._weights()[self.explained()]
        usual = usual[usual > 0]
        least = float(usual.quantile(0.1)) if len(usual) else 0.0
        slots = torch.from_numpy(self.slots.label[rows.numpy()]) >= 0
        return torch.where(slots, self._weights()[rows].clamp_min(least), 0.0)

    def _split(self) -> None:
        """Coefficients of two images of one class, whose sum alone the label tells, by least squares."""
        assert self.motions is not None and self.moved is not None
        two = torch.from_numpy(self.slots.shared) & (self.members[:, :2] >= 0).all(1)
        for rows in torch.nonzero(two)[:, 0].split(BLOCK):
            first, second = (self.motions.move(self.images[self.members[rows, s]], self.moved[rows, s]) for s in (0, 1))
            total = torch.from_numpy(self.slots.mass[rows.numpy()].sum(1))
            left = self.unmasked[rows] - self.public(rows) - total[:, None] * second
            apart = first - second
            part = (left * apart).sum(1) / apart.square().sum(1).clamp_min(1e-9)
            part = torch.minimum(part.clamp_min(0), total)
            self.coefficients[rows, 0], self.coefficients[rows, 1] = part, total - part

    def frame(self) -> None:
        """Images that are moved in the frames beyond which nothing shows (`moved_frames`)."""
        mixing = self._mixing()
        assert isinstance(mixing, MovedMixing)

        def left(rows: Tensor) -> Tensor:
            return self.unmasked[rows] - self.private(rows) - self.public(rows)

        self.images, self.moved = framed(self.images, mixing, left, 1 / self.noise)

    def _mixing(self) -> Mixing:
        """The private part of all encodings."""
        parts = self.members, self.coefficients, torch.zeros_like(self.share), len(self.images)
        if self.motions is None or self.moved is None:
            return Mixing(*parts)
        return MovedMixing(*parts, motions=self.motions, moved=self.moved)

    def reweigh(self) -> None:
        """Coefficients of private images anew where no label tells them, by least squares on each mixture.

        They are found up to a factor for each image, which the explained encodings tell (`_factors`).
        """
        mean = self.candidates.mean.flatten()
        centred = self.images - mean
        ridge = RIDGE * centred.square().sum(1).mean().double()
        gram = (centred @ centred.T).double() if self.motions is None else None
        for rows in torch.arange(len(self.noise)).split(BLOCK):
            left = self.unmasked[rows] - self.found.part(self.candidates, rows) - mean
            member, there = self.members[rows].clamp_min(0), self.members[rows] >= 0
            if gram is not None:
                products, dots = gram[member[:, :, None], member[:, None, :]], (left @ centred.T).gather(1, member)
            else:
                copies = self._copies(rows) - mean
                products, dots = torch.bmm(copies, copies.mT).double(), torch.bmm(copies, left[..., None])[..., 0]
            both = there[:, :, None] & there[:, None, :]
            normal = torch.where(both, products, 0.0)
            normal += torch.diag_embed(torch.where(there, ridge, 1.0))
            right = torch.where(there, dots, 0.0).double()
            self.coefficients[rows] = torch.linalg.solve(normal, right).clamp_min(0).float()
        factor = self._factors()
        # of images that move the mean is not moved with them here: a factor is near one, and `solve` follows
        self.images = mean + centred / factor[:, None]
        self.coefficients *= factor[self.members.clamp_min(0)]
        self.share = (1 - self._weights().sum(1)).clamp_min(0)

    def _copies(self, rows: Tensor) -> Tensor:
        """float32 (n, s, P): private images as they were moved, of any kind where a slot holds nothing."""
        assert self.motions is not None and self.moved is not None
        flat = self.motions.move(self.images[self.members[rows].clamp_min(0).flatten()], self.moved[rows].flatten())
        return flat.view(len(rows), self.members.shape[1], -1)

    def _factors(self) -> Tensor:
        """float32 (N,) by which the coefficients of each image are to be multiplied, so that those of all private and
        public images of an explained encoding add up to one."""
        done = torch.nonzero(self.explained())[:, 0]
        weights = self._weights()[done].double()
        design = torch.zeros(len(done), len(self.images), dtype=torch.float64)
        design.scatter_add_(1, self.members[done].clamp_min(0), weights)
        missing = 1 - self.found.weight[done].sum(1).double() - weights.sum(1)
        normal = design.T @ design + 100 * RIDGE * torch.eye(len(self.images), dtype=torch.float64)
        surplus: Tensor = torch.linalg.solve(normal, design.T @ missing)
        return (1 + surplus).float().clamp(*FACTORS)

    def _weights(self) -> Tensor:
        """float32 (E, s): coefficients, 0 where a slot holds nothing."""
        return torch.where(self.members >= 0, self.coefficients, 0.0)

    def solve(self) -> None:
        """Private images by weighted least squares, the public part taken out."""
        n = len(self.images)
        mixing, weights = self._mixing(), 1 / self.noise

        def part(rows: slice) -> Tensor:
            index = torch.arange(rows.start, rows.stop)
            target = self.unmasked[rows] - self.public(index)
            return mixing.adjoint(target, rows, weights[rows])

        right = summed(part, len(mixing), BLOCK, torch.device("cpu"))
        # where images move this is the matrix of those that do not, whose diagonal is nearly the same
        normal = mixing.normal(weights, ridge=1e-6)[:-1, :-1].double()
        inverse = torch.linalg.inv(normal)
        if self.motions is None:
            images = (inverse @ right[:-1].double()).float()
        else:
            start = torch.cat([self.images, torch.zeros_like(self.images[:1])])
            images = mixing.solve(weights, right, ridge=1e-6, start=start)[:-1]
        self.leverage = (weights * self._spread(inverse)).float().clamp(0, 1)
        low, high = self.image_range
        seen = torch.zeros(n, dtype=torch.bool)
        seen[self.members[self.members >= 0]] = True
        self.images = torch.where(seen[:, None], images.clamp(low - 0.5 * (high - low), high + 0.5 * (high - low)), 0.0)

    def _spread(self, inverse: Tensor) -> Tensor:
        """float64 (E,): variance of each encoding's private part, given the inverse (N, N) of the normal matrix."""
        member, weight = self.members.clamp_min(0), self._weights().double()
        between = inverse[member[:, :, None], member[:, None, :]]
        variance: Tensor = torch.einsum("ea,eab,eb->e", weight, between, weight)
        return variance
