"""Loads pair and membership networks, shipped or one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ihaudit.nn.membership import MemberConfig, MemberHead
from ihaudit.nn.similarity import PairConfig, PairNet
from ihaudit.nn.similarity_wrn import PairWrn, WrnConfig
from ihaudit.nn.weights import FOLDER, card, load


def load_similarity(path: Path | None = None, device: str = "cpu") -> PairNet | PairWrn:
    """The similarity network; errors as `ihaudit.nn.weights.load`."""

    def build(described: dict[str, Any]) -> nn.Module:
        if described["kind"] == "wrn":
            return PairWrn(WrnConfig.of(described))
        return PairNet(PairConfig.of(described))

    net = load("similarity", build, path=path, device=device, what="the similarity network")
    assert isinstance(net, PairNet | PairWrn)
    return net


def load_membership(path: Path | None = None, device: str = "cpu") -> tuple[MemberHead, str]:
    """The membership head, and the SHA-256 of the similarity weights whose embeddings it was trained on."""
    head = load(
        "membership",
        lambda described: MemberHead(MemberConfig.of(described)),
        path=path,
        device=device,
        what="the membership network",
    )
    return head, str(card(path or FOLDER / "membership.safetensors").get("encoder", ""))
