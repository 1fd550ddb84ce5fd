"""Weight files: ``<name>.safetensors`` beside a card ``<name>.json`` (data, command, seed, held-out figures).

Those that ship lie in this folder; `ihaudit.nn.shipped` makes networks of them.  Nothing heavy is imported before a
file is read or written.
"""

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
        found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise UsageError(f"{path.name} has no readable card {path.with_suffix('.json').name} beside it ({e})") from None
    return found


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
        net = build(tuples(card(path)["network"]))
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


def tuples(described: Any) -> Any:
    """What JSON made of a network's sizes, with tuples for lists again."""
    if isinstance(described, dict):
        return {k: tuples(v) for k, v in described.items()}
    return tuple(map(tuples, described)) if isinstance(described, list) else described
