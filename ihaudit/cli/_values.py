"""Whether values of files, variables and command lines are ones that a command takes, before the command runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any


def refusals(command: Any, name: str, defaults: Mapping[str, Any], file: object) -> Iterator[str]:
    """A sentence for every option whose value of a variable or file the command would refuse.

    Args:
        command: a click command; name: what it is called.
        defaults: its part of the default map that a configuration file gave; file: that file's name, or None.
    """
    from typer._click.exceptions import ClickException

    from ihaudit.cli._source import from_parameter, usage_error
    from ihaudit.errors import UsageError

    context = command.context_class(command, info_name=name, default_map=dict(defaults))
    for parameter in command.params:
        if parameter.param_type_name != "option" or parameter.name == "help":
            continue
        value, source = parameter.consume_value(context, {})
        if source.name not in ("ENVIRONMENT", "DEFAULT_MAP"):
            continue
        context.set_parameter_source(parameter.name, source)
        try:
            check_words({parameter: parameter.process_value(context, value)})
        except ClickException as e:
            yield usage_error(e, file)
        except UsageError as e:
            yield from_parameter(str(e), context, parameter, file)


def check_words(values: Mapping[Any, Any]) -> None:
    """Refuse words and numbers that a command would refuse only once it has begun.

    Args:
        values: click's parameter -> its value as the command is called with it.

    Raises:
        UsageError: names the option or quotes the value.
    """
    for parameter, value in values.items():
        if value is None or value == [] or parameter.param_type_name != "option":
            continue
        flag = max(parameter.opts, key=len).lstrip("-")
        if check := _checks().get(flag):
            check(value)
        _check_number(str(parameter.name), value)


def _check_number(name: str, value: Any) -> None:
    from ihaudit.audit.options import check_range
    from ihaudit.verdict.gates import GateOptions

    check_range(name, value)
    if name in {f.name for f in fields(GateOptions)}:
        GateOptions(**{name: value})


def _checks() -> Mapping[str, Callable[[Any], object]]:
    """Option -> what refuses a value of it; libraries are imported by those that need them."""
    from ihaudit import environment, registry
    from ihaudit.audit.options import RunOptions
    from ihaudit.audit.profiles import get_profile
    from ihaudit.sandbox.loader import parse_sets

    def configured(kind: str) -> Callable[[Any], object]:
        def check(specs: Any) -> None:
            from ihaudit.contracts.configure import configure, configure_game

            for spec in specs:
                if spec != "none":
                    configure(spec) if kind == "attack" else configure_game(spec)

        return check

    def known(kinds: Any) -> None:
        from ihaudit.audit.plan import choose_adversary

        choose_adversary(tuple(kinds), ())

    def grid(specs: Any) -> None:
        from ihaudit.audit.sweep.grid import parse_grid

        parse_grid(specs)

    def shard(text: Any) -> None:
        from ihaudit.audit.sweep.grid import parse_shard

        parse_shard(text)

    return {
        "profile": get_profile,
        "device": environment.check_device,
        "format": lambda ids: [registry.get("format", x) for x in ids],
        "attack": configured("attack"),
        "game": configured("game"),
        "knows": known,
        "price-per-hour": lambda items: RunOptions(price_per_hour=tuple(items)).prices(),
        "set": parse_sets,
        "engine": lambda x: registry.get("engine", x),
        "grid": grid,
        "shard": shard,
    }
