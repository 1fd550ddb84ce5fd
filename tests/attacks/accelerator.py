"""A stand-in for a CUDA device: tensors that compute here, but refuse to meet those of the CPU as CUDA's do.

Machines without an accelerator cannot tell whether a stage makes a tensor on the wrong device.  Within `accelerator()`
tensors that are made with ``device="cuda"``, or moved there, are marked, results of marked tensors are marked, and what
CUDA refuses is refused: one operation on tensors of both devices, and NumPy's view of a marked one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
#: Functions that take tensors of any device, and what moves between devices.
BETWEEN = ("copy_", "to", "cpu", "cuda", "type_as", "__repr__", "__format__", "is_set_to")


class Marked(Tensor):
    """A tensor of the stand-in device."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]


class OnWrongDevice(RuntimeError):
    """What CUDA would have refused."""


def _plain(x: Any) -> Any:
    return x.as_subclass(Tensor) if isinstance(x, Marked) else x


def _mark(x: Any) -> Any:
    return x.as_subclass(Marked) if isinstance(x, Tensor) and not isinstance(x, Marked) else x


def _there(x: object) -> bool:
    """Whether a tensor, or the network whose weights it is, lies on the stand-in."""
    return isinstance(x, Marked) or (isinstance(x, nn.Parameter) and getattr(x, "stands_in", False))


def _is_cuda(device: object) -> bool:
    return isinstance(device, (str, torch.device)) and torch.device(device).type == "cuda"


def _asked(args: Iterable[object]) -> object:
    """The device that a call names, or None."""
    return next(
        (a for a in args if isinstance(a, torch.device) or (isinstance(a, str) and a[:4] in ("cuda", "cpu"))), None
    )


class _Mode(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        leaves = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        marked = any(_there(x) for x in leaves)
        if name == "__get__":
            of = getattr(func, "__self__", None)
            if marked and of is Tensor.device:
                return CUDA
            if marked and of is Tensor.is_cuda:
                return True
        elif name in ("numpy", "__array__") and marked:
            raise OnWrongDevice("NumPy sees no tensor of an accelerator; call cpu() first")
        elif name in ("to", "cpu", "cuda"):
            device = "cpu" if name == "cpu" else "cuda" if name == "cuda" else _asked([*args[1:], kwargs.get("device")])
            if device is None and len(args) > 1 and isinstance(args[1], Tensor):
                device = "cuda" if isinstance(args[1], Marked) else "cpu"
            goes = marked if device is None else _is_cuda(device)
            there = [a for a in args if not (isinstance(a, (str, torch.device)))]
            kwargs.pop("device", None)
            out = (
                func(*map(_plain, there), **kwargs) if name == "to" and (len(there) > 1 or kwargs) else _plain(args[0])
            )
            return _mark(out) if goes else out
        if marked and name not in BETWEEN:
            self._refuse(func, name, args, leaves)
        if _is_cuda(kwargs.get("device")):
            if kwargs.get("generator") is not None:
                raise OnWrongDevice(f"{_name(func)} on cuda with a generator of the CPU")
            kwargs["device"], marked = "cpu", True
        elif "device" in kwargs and kwargs["device"] is not None:
            marked = False
        out = func(*tree_map(_plain, args), **tree_map(_plain, kwargs))
        return tree_map(_mark, out) if marked else out

    @staticmethod
    def _refuse(func: Callable[..., Any], name: str, args: tuple[Any, ...], leaves: list[Tensor]) -> None:
        index = name in ("__getitem__", "__setitem__")
        by_tensor = index and any(isinstance(x, Tensor) for x in tree_leaves(args[1]))
        if name == "__setitem__" and not by_tensor:
            wrong = False  # a copy, which goes between devices
        elif index and _there(args[0]):  # the index may lie on the CPU
            value = args[2] if name == "__setitem__" else None
            wrong = isinstance(value, Tensor) and not _there(value) and value.ndim > 0
        else:
            wrong = any(not _there(x) and (x.ndim > 0 or index) for x in leaves)
        if wrong:
            raise OnWrongDevice(f"{_name(func)} on tensors of cuda and of the CPU")


def _name(func: Callable[..., Any]) -> str:
    return str(resolve_name(func) or getattr(func, "__name__", func))


@contextmanager
def accelerator() -> Iterator[None]:
    """Within it ``device="cuda"`` is the stand-in; networks on it compute on what is marked."""

    inside: list[nn.Module] = []

    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if inside or not getattr(self, "stands_in", False):
            return whole(self, *args, **kwargs)
        if any(isinstance(x, Tensor) and not isinstance(x, Marked) for x in tree_leaves((args, kwargs))):
            raise OnWrongDevice(f"{type(self).__name__} on cuda, given tensors of the CPU")
        inside.append(self)
        try:
            with torch._C.DisableTorchFunction():
                return tree_map(_mark, whole(self, *tree_map(_plain, args), **tree_map(_plain, kwargs)))
        finally:
            inside.pop()

    def to(self: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        device = _asked([*args, kwargs.get("device")])
        if device is not None:
            for module in self.modules():
                setattr(module, "stands_in", _is_cuda(device))  # noqa: B010
                for weights in module._parameters.values():
                    if weights is not None:
                        setattr(weights, "stands_in", _is_cuda(device))  # noqa: B010
                for name, held in module._buffers.items():
                    module._buffers[name] = _mark(held) if _is_cuda(device) else _plain(held)
            args = tuple(a for a in args if not isinstance(a, (str, torch.device)))
            kwargs.pop("device", None)
        return moved(self, *args, **kwargs) if args or kwargs else self

    whole, moved = nn.Module.__call__, nn.Module.to
    with mock.patch.object(nn.Module, "__call__", call), mock.patch.object(nn.Module, "to", to), _Mode():
        yield
