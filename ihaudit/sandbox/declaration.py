"""What the auditor knows about a scheme, rebuilt from the plain data that its process sent."""

from __future__ import annotations

import reprlib
from typing import Any

from pydantic import Field

from ihaudit.errors import SchemeError, printable
from ihaudit.results import SchemeCard
from ihaudit.sandbox.loader import SchemeSource
from ihaudit.sandbox.parameters import plain
from ihaudit.sandbox.place import lines_of, repository_path
from ihaudit.scheme import Augmentation, Claim, KeyScope

_MECHANISMS = (None, "gaussian")
MAX_CLAIMS = 100
MAX_PARAMETERS = 200


class Declaration(SchemeCard):
    """A scheme as declared: what results.json says of it, and what only an audit needs.

    Attributes:
        types: of the parameters, in words.
        precision, publishes, claims, augmentation: see `ihaudit.scheme.Scheme`, as the other fields.
    """

    types: dict[str, str] = Field(default_factory=dict, exclude=True)
    precision: str = Field(default="float16", exclude=True)
    publishes: tuple[str, ...] = Field(default=(), exclude=True)
    claims: tuple[Claim, ...] = Field(default=(), exclude=True)
    augmentation: Augmentation | None = Field(default=None, exclude=True)


def parse(data: Any, source: SchemeSource) -> Declaration:
    """Check and rebuild a declaration; every field is of an untrusted process and may be anything that JSON can state.

    What is only shown (name, docstring, secrets, a claim's own words) is made printable and cut to length; what decides
    something (claims, key, mechanism, security parameter) is refused where it is not of its kind.

    Raises:
        SchemeError: a field of the wrong kind, or a claim that cannot be stated.
    """
    if not isinstance(data, dict):
        raise SchemeError("the scheme's process sent no description of the scheme")
    parameters = _parameters(data.get("parameters"))
    types = data.get("types")
    security = _word(data, "security_parameter", "the name of a parameter")
    if security is not None and security not in parameters:
        raise SchemeError(
            f"security_parameter names {security!r}, which is not a parameter{_near(security, parameters)}"
        )
    mechanism = _word(data, "mechanism", "'gaussian'")
    if mechanism not in _MECHANISMS:
        raise SchemeError(f"mechanism is {mechanism!r}, expected 'gaussian' or None")
    try:
        key = KeyScope.parse(data.get("key", "image"))
    except ValueError as e:
        raise SchemeError(str(e)) from None
    precision, publishes = data.get("precision", "float16"), data.get("publishes")
    if precision not in ("float16", "float32"):
        raise SchemeError(f"precision is {reprlib.repr(precision)}, expected 'float16' or 'float32'")
    line = data.get("line")
    claims = data.get("claims")
    if not isinstance(claims, list):
        claims = []
    if len(claims) > MAX_CLAIMS:
        raise SchemeError(f"the scheme makes {len(claims):,} claims; state at most {MAX_CLAIMS}")
    line = line if type(line) is int and 0 < line < 1_000_000 else 1
    return Declaration(
        name=_text(data.get("name"), 100, lines=False) or source.path.stem,
        source=source.origin,
        sha256=source.sha256,
        doc=_text(data.get("doc"), 20_000),
        parameters=parameters,
        types={_text(k, 100): _text(v, 200) for k, v in types.items()} if isinstance(types, dict) else {},
        secrets=_text(data.get("secrets"), 5_000),
        security_parameter=security,
        key=key.value,
        decomposable=data.get("decomposable") is not False,
        mechanism=mechanism,
        precision=precision,
        publishes=tuple(n for n in publishes if isinstance(n, str)) if isinstance(publishes, list) else (),
        line=line,
        path=repository_path(source),
        lines=lines_of(source, line),
        claims=tuple(_claim(c) for c in claims),
        augmentation=_augmentation(data.get("augmentation")),
    )


def _parameters(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        return {}
    if len(data) > MAX_PARAMETERS:
        raise SchemeError(f"the scheme has {len(data):,} parameters, expected at most {MAX_PARAMETERS}")
    found = {}
    for name, value in data.items():
        if not name.isidentifier() or len(name) > 100:
            raise SchemeError(f"the scheme has a parameter called {name[:60]!r}, which is no name of Python")
        found[name] = plain(value)
    return found


def _word(data: dict[str, Any], field: str, what: str) -> str | None:
    value = data.get(field)
    if value is not None and not isinstance(value, str):
        raise SchemeError(f"{field} is {reprlib.repr(value)}, expected {what} or None")
    return value


def _near(word: str, known: dict[str, Any]) -> str:
    from ihaudit.registry import suggest

    return suggest(word, known)


def _claim(data: Any) -> Claim:
    try:
        claim = Claim(
            quantity=data["quantity"],
            bound=data["bound"],
            knows=data["knows"],
            quantile=data["quantile"],
            target=data["target"],
            delta=data["delta"],
            text=_text(data["text"], 2_000),
        )
    except (KeyError, TypeError, ValueError) as e:
        raise SchemeError(f"a claim of the scheme cannot be stated: {e}") from None
    if claim.target is not None and (len(claim.target) > 100 or printable(claim.target, lines=False) != claim.target):
        raise SchemeError(f"a claim's target is {claim.target[:60]!r}, expected the id of a game or an attack")
    return claim


def _augmentation(data: Any) -> Augmentation | None:
    if data is None:
        return None
    try:
        return Augmentation(**{name: data[name] for name in ("shift", "mirror", "rotation", "stretch")})
    except (KeyError, TypeError, ValueError) as e:
        raise SchemeError(f"the augmentation of the scheme cannot be stated: {e}") from None


def _text(value: Any, limit: int, *, lines: bool = True) -> str:
    return printable(value, lines=lines)[:limit] if isinstance(value, str) else ""
