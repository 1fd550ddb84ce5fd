"""Every network with its weights, shipped or one's own (`path`); errors as `ihaudit.nn.weights.load`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ihaudit.nn.comparator import Comparator, ComparatorConfig
from ihaudit.nn.confidence import Confidence
from ihaudit.nn.fusion import Fusion, FusionConfig
from ihaudit.nn.membership import MemberConfig, MemberHead
from ihaudit.nn.polarity import Polarity, PolarityConfig
from ihaudit.nn.recolour import PixelNet
from ihaudit.nn.restorer import Restorer, RestorerConfig
from ihaudit.nn.scales import Scales, ScalesConfig
from ihaudit.nn.similarity import PairConfig, PairNet
from ihaudit.nn.similarity_wrn import PairWrn, WrnConfig
from ihaudit.nn.unmask import UnmaskConfig, UnmaskNet
from ihaudit.nn.weights import FOLDER, card, load


def load_unmask(path: Path | None = None, device: str = "cpu") -> UnmaskNet:
    """The mask recovery network, given nothing or the public part of a mixture."""
    return load("unmask", lambda n: UnmaskNet(UnmaskConfig(**n)), path=path, device=device, what="mask recovery")


def load_unmix(path: Path | None = None, device: str = "cpu") -> UnmaskNet:
    """The mask recovery network trained on predictions by reconstructions."""
    return load("unmix", lambda n: UnmaskNet(UnmaskConfig(**n)), path=path, device=device, what="mask recovery")


def load_unmix_deployed(path: Path | None = None, device: str = "cpu") -> UnmaskNet:
    """The same, trained further on images that were normalised by mean and deviation, or cropped."""
    what = "mask recovery where images are normalised or moved"
    return load("unmix_deployed", lambda n: UnmaskNet(UnmaskConfig(**n)), path=path, device=device, what=what)


def load_restorer(path: Path | None = None, device: str = "cpu") -> Restorer:
    """The learned image prior."""
    return load("restorer", lambda n: Restorer(RestorerConfig(**n)), path=path, device=device, what="restoration")


def load_polarity(path: Path | None = None, device: str = "cpu") -> Polarity:
    """Tells mixtures of photographs from their negatives."""
    return load(
        "polarity", lambda n: Polarity(PolarityConfig(**n)), path=path, device=device, what="the sign of public images"
    )


def load_scales(path: Path | None = None, device: str = "cpu") -> Scales:
    """How strong public images are, place by place."""
    return load("scales", lambda n: Scales(ScalesConfig(**n)), path=path, device=device, what="the strength of images")


def load_confidence(path: Path | None = None, device: str = "cpu") -> Confidence:
    """The calibrated confidence."""
    return load("confidence", lambda n: Confidence(), path=path, device=device, what="confidence")


def load_recolour(path: Path | None = None, device: str = "cpu") -> nn.ModuleDict:
    """One `PixelNet` per way of recovery."""

    def build(described: dict[str, Any]) -> nn.ModuleDict:
        return nn.ModuleDict({name: PixelNet() for name in described["recoveries"]})

    return load("recolour", build, path=path, device=device, what="recolouring")


def load_similarity(path: Path | None = None, device: str = "cpu") -> PairNet | PairWrn:
    """The similarity network."""

    def build(described: dict[str, Any]) -> nn.Module:
        kind = described.pop("kind")
        return PairWrn(WrnConfig(**described)) if kind == "wrn" else PairNet(PairConfig.of(described))

    net = load("similarity", build, path=path, device=device, what="the similarity network")
    assert isinstance(net, PairNet | PairWrn)
    return net


def load_membership(path: Path | None = None, device: str = "cpu") -> tuple[MemberHead, str]:
    """The membership head, and the SHA-256 of the similarity weights whose embeddings it was trained on."""

    def build(described: dict[str, Any]) -> MemberHead:
        return MemberHead(MemberConfig(**{k: v for k, v in described.items() if k != "kind"}))

    head = load("membership", build, path=path, device=device, what="the membership network")
    return head, str(card(path or FOLDER / "membership.safetensors").get("encoder", ""))


def load_comparator(path: Path | None = None, device: str = "cpu") -> Comparator:
    """The comparative network of Luo et al. 2022."""
    return load("comparator", _comparator, path=path, device=device, what="comparing encodings of moved images")


def load_filter(path: Path | None = None, device: str = "cpu") -> Comparator:
    """Their filter: which encodings of an image hold it moved alike."""
    return load("filter", _comparator, path=path, device=device, what="filtering encodings of moved images")


def load_fusion(path: Path | None = None, device: str = "cpu") -> Fusion:
    """Their fusion-denoising network."""
    return load("fusion", lambda n: Fusion(FusionConfig(**n)), path=path, device=device, what="fusing encodings")


def _comparator(described: dict[str, Any]) -> Comparator:
    return Comparator(ComparatorConfig(**{k: v for k, v in described.items() if k != "kind"}))
