"""What the auditor knows about a scheme, rebuilt from the plain data that its process sent."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ihaudit.errors import SchemeError
from ihaudit.results import SchemeCard
from ihaudit.sandbox.loader import SchemeSource
from ihaudit.scheme import Claim, KeyScope

_MECHANISMS = (None, "gaussian")


class Declaration(SchemeCard):
    """A scheme as declared: what results.json says of it, and what only an audit needs.

    Attributes:
        types: of the parameters, in words.
        claims: see `ihaudit.scheme.Scheme`, as the other fields.
    """

    types: dict[str, str] = Field(default_factory=dict, exclude=True)
    claims: tuple[Claim, ...] = Field(default=(), exclude=True)


def parse(data: Any, source: SchemeSource) -> Declaration:
    """Check and rebuild a declaration; every field is of an untrusted process.

    Raises:
        SchemeError: a field of the wrong kind, or a claim that cannot be stated.
    """
    if not isinstance(data, dict):
        raise SchemeError("the scheme's process sent no description of the scheme")
    parameters = data.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    types = data.get("types")
    security = data.get("security_parameter")
    if security is not None and security not in parameters:
        from ihaudit.registry import suggest

        raise SchemeError(
            f"security_parameter names {security!r}, which is not a parameter{suggest(str(security), parameters)}"
        )
    mechanism = data.get("mechanism")
    try:
        key = KeyScope.parse(data.get("key", "image"))
    except ValueError as e:
        raise SchemeError(str(e)) from None
    if mechanism not in _MECHANISMS:
        raise SchemeError(f"mechanism is {mechanism!r}, expected 'gaussian' or None")
    line = data.get("line")
    claims = data.get("claims")
    return Declaration(
        name=_text(data.get("name"), 100) or source.path.stem,
        source=source.origin,
        sha256=source.sha256,
        doc=_text(data.get("doc"), 20_000),
        parameters={_text(k, 100): v for k, v in list(parameters.items())[:200]},
        types={_text(k, 100): _text(v, 200) for k, v in types.items()} if isinstance(types, dict) else {},
        secrets=_text(data.get("secrets"), 5_000),
        security_parameter=security,
        key=key.value,
        decomposable=data.get("decomposable") is not False,
        mechanism=mechanism,
        line=line if type(line) is int and 0 < line < 1_000_000 else 1,
        claims=tuple(_claim(c) for c in claims[:100]) if isinstance(claims, list) else (),
    )


def _claim(data: Any) -> Claim:
    try:
        return Claim(
            quantity=str(data["quantity"]),
            bound=float(data["bound"]),
            knows=tuple(str(k) for k in data["knows"]),
            quantile=float(data["quantile"]),
            target=None if data["target"] is None else str(data["target"]),
            delta=float(data["delta"]),
            text=_text(data["text"], 2_000),
        )
    except (KeyError, TypeError, ValueError) as e:
        raise SchemeError(f"a claim of the scheme cannot be stated: {e}") from None


def _text(value: Any, limit: int) -> str:
    return value[:limit] if isinstance(value, str) else ""
