"""Shipped weights: ``<name>.safetensors`` beside a card ``<name>.json`` (data, command, seed, held-out figures)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ihaudit.errors import NotApplicable, UsageError

if TYPE_CHECKING:
    from torch import nn

    from ihaudit.nn.confidence import Confidence
    from ihaudit.nn.restorer import Restorer
    from ihaudit.nn.scales import Scales
    from ihaudit.nn.unmask import Recolour

M = TypeVar("M", bound="nn.Module")

FOLDER = Path(__file__).resolve().parent


def names() -> list[str]:
    """Names of the shipped weights."""
    return sorted(p.stem for p in FOLDER.glob("*.safetensors"))


@cache
def digests() -> dict[str, str]:
    """File name -> SHA-256 (hex) of every shipped weight file: what `results.environment.weights` holds."""
    return {f"{n}.safetensors": hashlib.sha256((FOLDER / f"{n}.safetensors").read_bytes()).hexdigest() for n in names()}


def card(path: Path) -> dict[str, Any]:
    """The card beside a weight file.

    Raises:
        UsageError: it is missing or not JSON.
    """
    try:
        return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise UsageError(f"{path.name} has no readable card {path.with_suffix('.json').name} beside it ({e})") from None


def load(
    name: str, build: Callable[[dict[str, Any]], M], *, path: Path | None = None, device: str = "cpu", what: str = ""
) -> M:
    """A network in evaluation mode.

    Args:
        name: of the shipped weights, which is also what `ihaudit train` calls it.
        build: makes the network from the shape on the card (lists there come as tuples).
        path: weights written by `ihaudit train NAME`; the shipped ones where None.
        device: torch device.
        what: what the network does, for the error where nothing is shipped.

    Raises:
        NotApplicable: no weights are shipped with this installation.
        UsageError: the file is missing, damaged, or of another network than its card says.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path is None:
        path = FOLDER / f"{name}.safetensors"
        if not path.exists():
            raise NotApplicable(
                f"this installation has no weights for {what or name}; train some by `ihaudit train {name}`"
            )
    try:
        net = build(_network(card(path)["network"]))
        net.load_state_dict(
            {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in load_file(path).items()}
        )
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as e:
        raise UsageError(f"{path} does not hold weights of the network that its card describes ({e})") from None
    return net.eval().to(device)


def save(net: nn.Module, network: dict[str, Any], path: Path, facts: dict[str, Any]) -> None:
    """Write weights (float16) and their card; `network` is what `build` of `load` takes, `facts` are JSON-able."""
    import torch
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().cpu() for k, v in net.state_dict().items()}
    save_file({k: (v.to(torch.float16) if v.is_floating_point() else v).contiguous() for k, v in state.items()}, path)
    path.chmod(0o644)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = {"name": path.stem, "sha256": digest, "network": network, **facts}
    path.with_suffix(".json").write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


def load_unmask(path: Path | None = None, device: str = "cpu") -> Recolour:
    """The mask recovery network; see `load`."""
    from ihaudit.nn.unmask import Recolour, RecolourConfig

    return load("unmask", lambda n: Recolour(RecolourConfig(**n)), path=path, device=device, what="mask recovery")


def load_unmix(path: Path | None = None, device: str = "cpu") -> Recolour:
    """The mask recovery network trained on predictions; see `load`."""
    from ihaudit.nn.unmask import Recolour, RecolourConfig

    return load("unmix", lambda n: Recolour(RecolourConfig(**n)), path=path, device=device, what="mask recovery")


def load_restorer(path: Path | None = None, device: str = "cpu") -> Restorer:
    """The learned image prior; see `load`."""
    from ihaudit.nn.restorer import Restorer, RestorerConfig

    return load("restorer", lambda n: Restorer(RestorerConfig(**n)), path=path, device=device, what="restoration")


def load_scales(path: Path | None = None, device: str = "cpu") -> Scales:
    """How strong public images are, place by place; see `load`."""
    from ihaudit.nn.scales import Scales, ScalesConfig

    return load("scales", lambda n: Scales(ScalesConfig(**n)), path=path, device=device, what="the strength of images")


def load_confidence(path: Path | None = None, device: str = "cpu") -> Confidence:
    """The calibrated confidence; see `load`."""
    from ihaudit.nn.confidence import Confidence

    return load("confidence", lambda n: Confidence(), path=path, device=device, what="confidence")


def save_unmask(net: Recolour, path: Path, facts: dict[str, Any]) -> None:
    """See `save`."""
    save(net, net.config.as_dict(), path, facts)


def _network(described: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in described.items()}
