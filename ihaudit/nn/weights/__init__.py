"""Shipped weights: ``<name>.safetensors`` beside a card ``<name>.json`` (data, command, seed, held-out figures)."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ihaudit.errors import NotApplicable, UsageError

if TYPE_CHECKING:
    from ihaudit.nn.recolour import Recolour

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


def load_unmask(path: Path | None = None, device: str = "cpu") -> Recolour:
    """The mask recovery network in evaluation mode.

    Args:
        path: weights written by `ihaudit train unmask`; the shipped ones where None.
        device: torch device.

    Raises:
        NotApplicable: no weights are shipped with this installation.
        UsageError: the file is missing, damaged, or of another network than its card says.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from ihaudit.nn.recolour import Recolour, RecolourConfig

    if path is None:
        path = FOLDER / "unmask.safetensors"
        if not path.exists():
            raise NotApplicable(
                "this installation has no weights for mask recovery; train some by `ihaudit train unmask`"
            )
    try:
        net = Recolour(RecolourConfig(**_network(card(path)["network"])))
        net.load_state_dict({k: v.to(torch.float32) for k, v in load_file(path).items()})
    except (OSError, KeyError, TypeError, RuntimeError, SafetensorError) as e:
        raise UsageError(f"{path} does not hold weights of the network that its card describes ({e})") from None
    return net.eval().to(device)


def save_unmask(net: Recolour, path: Path, facts: dict[str, Any]) -> None:
    """Write weights (float16) and their card; `facts` are JSON-able."""
    import torch
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().cpu().to(torch.float16).contiguous() for k, v in net.state_dict().items()}, path)
    path.chmod(0o644)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = {"name": path.stem, "sha256": digest, "network": net.config.as_dict(), **facts}
    path.with_suffix(".json").write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


def _network(described: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in described.items()}
