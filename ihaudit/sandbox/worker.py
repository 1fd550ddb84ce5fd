"""The scheme's side: loads the scheme from its text and answers requests.  Runs confined; see `guard`.

Everything here shares a process with code that may be hostile and is therefore not trusted by the auditor, which checks
whatever arrives (`ihaudit.sandbox.process`, `ihaudit.sandbox.validate`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import itertools
import json
import os
import re
import socket
import sys
import traceback
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ihaudit.registry import suggest
from ihaudit.release import Provenance, Release
from ihaudit.sandbox import parameters, wire
from ihaudit.sandbox.replay import Server
from ihaudit.sandbox.taps import Taps
from ihaudit.scheme import Augmentation, Claim, Scheme

MODULE = "ihaudit_user_scheme"
#: Words that a scheme declares are cut to this length before they travel; what is shown of them is shorter.
_MAX_WORDS = 100_000
_PROVENANCE = ("sources", "coefficients", "masks", "public_sources", "public_coefficients")


class ContractError(Exception):
    """The scheme does not follow its contract; one sentence."""


def main(message: int, applied: dict[str, bool]) -> None:
    """Serve requests on the socket `message` until it is closed."""
    own = os.getpid()
    sock = socket.socket(fileno=message)
    try:
        hello, arrays = wire.receive(sock, limit=1 << 40)
        scheme: Any = None
        public = np.zeros((0, 0, 0, 3), np.float32)
        try:
            if "public" in arrays:
                public = arrays["public"]
                public.flags.writeable = False
            taps = _taps(hello["text"]) if hello.get("replay") else None
            if taps is not None:
                m, *image = hello["replay"]["public"]
                public = np.broadcast_to(np.ones((1, *image), np.float32), (m, *image))
            around = None
            if isinstance(hello.get("surroundings"), dict):
                from ihaudit.sandbox.surroundings import Surroundings

                around = Surroundings(hello["path"], hello["surroundings"])
                around.install()
            scheme, card, make = _load(hello)
            _check_plain(card)
            wire.send(sock, {"kind": "card", "card": card, "applied": applied})
        except BaseException as e:
            wire.send(sock, _failure(e, hello["path"], hello["memory_mb"]))
            return
        replays = Server(make, taps, public) if taps is not None else None
        while True:
            request, arrays = wire.receive(sock, limit=1 << 40)
            for a in arrays.values():
                a.flags.writeable = False
            if replays is not None:
                try:
                    header, fields = replays.answer(request, arrays)
                except BaseException as e:
                    header, fields = _failure(e, hello["path"], hello["memory_mb"]), []
                if os.getpid() != own:
                    os._exit(0)
                _flush()
                wire.send(sock, {**header, "number": request["number"]}, fields)
                continue
            for number, images, labels, seed in request["calls"]:
                try:
                    rng = np.random.default_rng(int(seed, 16))
                    result = scheme.encode(arrays[images], arrays[labels], public, rng)
                    header, fields = _pack(result)
                    if around is not None:
                        header["asked"] = around.take()
                        around.tick()
                except BaseException as e:
                    header, fields = _failure(e, hello["path"], hello["memory_mb"]), []
                if os.getpid() != own:
                    os._exit(0)  # the scheme forked; only the original answers
                _flush()
                wire.send(sock, {**header, "number": number}, fields)
                if header["kind"] == "error":
                    break
                del result, fields
    except wire.Disconnected:
        pass
    os._exit(0)


def _taps(text: str) -> Taps:
    """Taps on what a scheme with this text may draw from; before it is run, so that its imports are tapped too."""
    taps = Taps()
    taps.install_numpy()
    taps.install_clock()
    if "torch" in text:
        taps.install_torch()
    return taps


def child_seed(seed: int) -> str:
    """What the scheme's generator is seeded with, as hexadecimal: a one-way function of the seed handed to `encode`."""
    return hashlib.sha256(b"ihaudit scheme rng %d" % seed).hexdigest()[:32]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the scheme may have replaced or closed it
            stream.flush()


# --- loading ---------------------------------------------------------------------------------------------------------


def _load(hello: dict[str, Any]) -> tuple[Any, dict[str, Any], Callable[[dict[str, Any]], Any]]:
    """The scheme, its card, and how to build it again with some parameters changed."""
    path, text = hello["path"], hello["text"]
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.append(folder)  # helper modules beside the scheme file
    sys.argv = [path]
    module = types.ModuleType(MODULE)
    module.__file__ = path
    sys.modules[MODULE] = module
    exec(compile(text, path, "exec"), module.__dict__)
    target = _find(module, hello["class_name"], os.path.basename(path))
    if inspect.isclass(target):
        known = parameters.of(target)
        given = dict(hello["parameters"])
        for p in known if hello.get("replay") else ():
            # a seed that the auditor keeps back and the scheme cannot do without; replays put their own in its place
            if p.name in hello["replay"]["blank"] and p.default is inspect.Parameter.empty:
                given.setdefault(p.name, "0")
        values = parameters.values(known, given)
        try:
            scheme = target(**values)
        except (ValueError, TypeError) as e:
            shown = ", ".join(f"{k}={v}" for k, v in hello["parameters"].items()) or "its defaults"
            if isinstance(e, TypeError) and hello["parameters"] == {}:
                raise
            raise parameters.ParameterError(f"the scheme refuses {shown}: {_said(e)}") from e
    else:
        known = parameters.of(type(target))
        values = parameters.values(known, hello["parameters"])
        scheme = type(target)(**values) if values else target
    kind = type(scheme)

    def make(overrides: dict[str, Any]) -> Any:
        return kind(**{**values, **overrides}) if overrides else scheme

    return scheme, _card(scheme, known, text), make


def _find(module: types.ModuleType, name: str | None, file: str) -> Any:
    def usable(x: Any) -> bool:
        return callable(getattr(x, "encode", None)) and x is not Scheme

    here = {k: v for k, v in vars(module).items() if inspect.isclass(v) and v.__module__ == MODULE and usable(v)}
    objects = {
        k: v for k, v in vars(module).items() if not inspect.isclass(v) and type(v).__module__ == MODULE and usable(v)
    }
    if name is not None:
        target = getattr(module, name, None)
        if target is None or not usable(target):
            raise ContractError(f"{file} has no scheme called {name!r}{suggest(name, [*here, *objects])}")
        return target
    derived = {k: v for k, v in here.items() if not any(o is not v and issubclass(o, v) for o in here.values())}
    distinct = {id(v): k for k, v in derived.items() if not k.startswith("_")}
    found = list(distinct.values())
    if not found:
        found = [k for k in objects if not k.startswith("_")]
    if not found:
        raise ContractError(
            f"{file} holds no scheme: define a class with encode(self, images, labels, public, rng); see `ihaudit init`"
        )
    if len(found) > 1:
        raise ContractError(f"{file} holds {len(found)} schemes ({', '.join(found)}); name one as {file}:{found[0]}")
    return getattr(module, found[0])


def _card(scheme: Any, known: list[parameters.Parameter], text: str) -> dict[str, Any]:
    cls = type(scheme)
    try:
        line = inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):
        line = next((i for i, row in enumerate(text.splitlines(), 1) if row.startswith(f"class {cls.__name__}")), 1)
    doc = cls.__dict__.get("__doc__")
    if not isinstance(doc, str) or doc.startswith(f"{cls.__name__}("):
        doc = ""  # there is none, or it is the signature that dataclass puts where there is no docstring
    claims = getattr(scheme, "claims", ())
    if isinstance(claims, Claim):
        claims = (claims,)
    if not isinstance(claims, Iterable):
        raise ContractError(f"claims must be a tuple of Claim objects, it is {_what(claims)}")
    listed = []
    for c in itertools.islice(claims, 1000):
        if not isinstance(c, Claim):
            raise ContractError(f"claims must hold Claim objects, not {type(c).__name__}")
        listed.append(
            {
                "quantity": c.quantity,
                "bound": c.bound,
                "knows": sorted(k.value for k in c.adversary),
                "quantile": c.quantile,
                "target": c.target,
                "delta": c.delta,
                "text": c.text,
            }
        )
    decomposable = getattr(scheme, "decomposable", True)
    if not isinstance(decomposable, (bool, np.bool_)):
        raise ContractError(f"decomposable is {_what(decomposable)}, expected True or False")
    augmentation = getattr(scheme, "augmentation", None)
    if augmentation is not None and not isinstance(augmentation, Augmentation):
        raise ContractError(
            f"augmentation is {_what(augmentation)}, expected an Augmentation object, such as "
            "Augmentation(shift=4, mirror=True), or None"
        )
    return {
        "name": _word(scheme, "scheme_name") or cls.__name__,
        "doc": inspect.cleandoc(doc[:_MAX_WORDS]),
        "parameters": {p.name: parameters.plain(getattr(scheme, p.name, p.default)) for p in known},
        "types": {p.name: parameters.describe(p.type) for p in known},
        "secrets": _word(scheme, "secrets") or "",
        "security_parameter": _word(scheme, "security_parameter"),
        "key": _word(scheme, "key") or "image",
        "decomposable": bool(decomposable),
        "mechanism": _word(scheme, "mechanism"),
        "precision": _word(scheme, "precision") or "float16",
        "publishes": _names(scheme),
        "augmentation": None if augmentation is None else dataclasses.asdict(augmentation),
        "line": line,
        "claims": listed,
    }


def _names(scheme: Any) -> list[str]:
    """The further arrays that a scheme declares."""
    names = getattr(scheme, "publishes", ())
    if not isinstance(names, (tuple, list)):
        raise ContractError(f"publishes is {_what(names)}, expected a tuple of names of arrays in extra")
    odd = next((n for n in names if not isinstance(n, str)), None)
    if odd is not None:
        raise ContractError(f"publishes holds {_what(odd)}, expected names of arrays in extra")
    return [str(n) for n in names[:100]]


def _word(scheme: Any, field: str) -> str | None:
    """What a scheme declares in words; a plain str, also where it is an enumeration's."""
    value = getattr(scheme, field, None)
    if value is not None and not isinstance(value, str):
        raise ContractError(f"{field} is {_what(value)}, expected text")
    return None if value is None else str(value)[:_MAX_WORDS]


def _check_plain(card: dict[str, Any]) -> None:
    """Whether a card can travel; claims and augmentations that were changed behind their checks may hold anything.

    Raises:
        ContractError: it cannot.
    """
    for name, value in card.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError, RecursionError) as e:
            raise ContractError(f"{name} holds what is no number and no text ({_said(e)}); state it anew") from None


# --- answering -------------------------------------------------------------------------------------------------------


def _pack(result: Any) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """A release as header and plain arrays."""
    if isinstance(result, (tuple, list)) and len(result) == 2:
        result = Release(result[0], result[1])
    if not isinstance(result, Release):
        raise ContractError(f"encode must return a Release (or a pair encodings, labels), it returned {_what(result)}")
    fields = [("encodings", _array(result.encodings, "encodings"))]
    if result.labels is not None:
        fields.append(("labels", _array(result.labels, "labels")))
    extra = result.extra or {}
    if not hasattr(extra, "items"):
        raise ContractError(f"extra must be a dict of arrays, it is {_what(extra)}")
    for name, value in extra.items():
        if not isinstance(name, str):
            raise ContractError(f"extra has a key that is {_what(name)}, expected the name of an array")
        fields.append((f"extra/{name}", _array(value, f"extra[{str(name)!r}]")))
    provenance = result.provenance
    if provenance is not None:
        if not isinstance(provenance, Provenance):
            raise ContractError(f"provenance must be a Provenance, it is {_what(provenance)}")
        for name in _PROVENANCE:
            value = getattr(provenance, name)
            if value is not None:
                fields.append((f"provenance/{name}", _array(value, f"provenance.{name}")))
    try:
        low, high = (float(v) for v in result.image_range)
    except (TypeError, ValueError, OverflowError):
        raise ContractError(f"image_range must be two numbers, it is {_what(result.image_range)}") from None
    return {"kind": "release", "image_range": [low, high]}, fields


def _array(value: Any, field: str) -> np.ndarray:
    if hasattr(value, "detach"):  # a torch tensor
        value = value.detach().cpu()
        try:
            value = value.numpy()
        except (TypeError, RuntimeError) as e:  # bfloat16, sparse, quantised, conjugated, nested
            kind = f"a tensor of {getattr(value, 'dtype', 'another kind')}"
            raise ContractError(
                f"{field} is {kind} that numpy cannot hold ({_said(e)}); release a dense one, such as "
                "x.to_dense().float()"
            ) from None
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ContractError(
            f"{field} is a masked array, whose masked values a file would hold too; release x.filled(0)"
        )
    try:
        a = np.asarray(value)
    except (ValueError, TypeError) as e:  # rows of several lengths, say
        raise ContractError(
            f"{field} is {_what(value)} that makes no array ({_said(e)}); give all rows one shape, and say whose they "
            "are in the provenance"
        ) from None
    if type(a) is not np.ndarray:
        a = np.array(a, subok=False)
    if a.dtype.kind == "c":
        raise ContractError(
            f"{field} has dtype {a.dtype}, expected real numbers; np.stack([x.real, x.imag], -1) holds both"
        )
    if a.dtype.kind not in "biuf":
        raise ContractError(f"{field} has dtype {a.dtype}, expected numbers (it is {_what(value)})")
    if a.ndim > wire.MAX_AXES:
        raise ContractError(f"{field} has {a.ndim} axes, expected at most {wire.MAX_AXES}")
    if a.dtype.itemsize > 8:
        a = a.astype(np.float64)
    native = a.dtype.newbyteorder("<")
    return np.ascontiguousarray(a.astype(native, copy=False)).reshape(a.shape)


def _what(value: Any) -> str:
    if value is None:
        return "nothing (None)"
    return f"a {type(value).__name__}"


def _said(e: BaseException) -> str:
    """What an exception says, in a line; nothing where it fails to."""
    try:
        lines = str(e).strip().splitlines()
        return lines[0][:300] if lines else ""
    except BaseException:
        return ""


#: folders and files of code that asks for what a scheme has not, and what to do instead
_NEEDS = (
    (
        re.compile(r"/(multiprocessing|billiard|loky)/|/concurrent/futures/process"),
        "a scheme is one process and shares no memory: encode without pools and worker processes, or in threads",
    ),
    (
        re.compile(r"/(socket|ssl)\.py$|/(urllib|http|urllib3|requests|httpx|aiohttp)/"),
        "a scheme has no network: put what it fetches into a file beside it, and read that",
    ),
)


def _remedy(e: BaseException, files: list[str]) -> str:
    """What to do where the sandbox is the reason, for code that was not written to run in one; `files` that it ran."""
    if not isinstance(e, OSError):
        return ""
    for place, remedy in _NEEDS:
        if any(place.search(file) for file in files):
            return f"; {remedy}"
    if isinstance(e, PermissionError) and e.filename is not None:
        return (
            "; a scheme writes to the folder named by the variable TMPDIR alone, which is gone when it ends, "
            "and does not read what is the audit's"
        )
    return ""


def _failure(e: BaseException, path: str, memory_mb: int) -> dict[str, Any]:
    """An exception as one sentence, with the traceback below the worker's own frames."""
    frames = traceback.extract_tb(e.__traceback__)
    own = [f for f in frames if f.filename != __file__ and "importlib" not in f.filename]
    trace = "".join(traceback.format_list(own[-20:]))
    with contextlib.suppress(BaseException):  # an exception may fail to say what it is
        trace += "".join(traceback.format_exception_only(e))[-2000:]
    where = next(
        (f" (line {f.lineno} of {os.path.basename(path)})" for f in reversed(frames) if f.filename == path), ""
    )
    kind, text = "scheme", ""
    if isinstance(e, parameters.ParameterError):
        kind, text, trace = "parameter", str(e), ""
    elif isinstance(e, ContractError):
        text, trace = str(e), ""
    elif isinstance(e, SyntaxError) and e.filename == path:
        text = f"{os.path.basename(path)} is not valid Python: line {e.lineno}: {e.msg}"
    elif isinstance(e, MemoryError):
        said = _said(e)
        limit = f"its limit is {memory_mb:,} MB (--scheme-memory)"
        text = f"the scheme ran out of memory{where}: {limit}" + (f"; {said}" if said else "")
    else:
        said = _said(e)
        text = f"the scheme raised {type(e).__name__[:100]}{where}" + (f": {said}" if said else "")
        text += _remedy(e, [f.filename for f in frames if f.filename != path])
    return {"kind": "error", "error": kind, "message": text[:2000], "traceback": trace[-6000:]}
