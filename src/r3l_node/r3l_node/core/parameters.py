# SPDX-License-Identifier: Apache-2.0
"""
Parameters as frozen dataclasses: the only place of a default, a unit and a range.

A field that is itself such a dataclass is a group; its parameters are named ``group.field``.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from dataclasses import dataclass
import difflib
import math
from typing import Any, cast, get_args, get_origin, get_type_hints, NamedTuple, TypeVar

from r3l_node.core.errors import ConfigError

T = TypeVar('T')
Scalar = type[bool] | type[int] | type[float] | type[str]

_SINGULAR = {bool: 'true or false', int: 'an integer', float: 'a number', str: 'a text'}
_PLURAL = {int: 'integers', float: 'numbers', str: 'texts'}


class ParameterError(ConfigError):
    """A parameter that is unknown, of another type or out of its range."""


def parameter(
    default: T,
    description: str,
    *,
    range: tuple[float, float] | None = None,
    choices: Sequence[object] | None = None,
) -> T:
    """
    Declare one field of a configuration.

    :param default: value where nothing else is given; its unit is named in the description.
    :param description: one line for the user, ending in the unit, as in ``'step time [s]'``.
    :param range: least and greatest value, both included; of each element in an array.
    :param choices: the values allowed; of each element in an array.
    :return: a dataclass field (typed as the default, so that type checkers see the value).
    """
    metadata = {
        'description': description,
        'range': range,
        'choices': None if choices is None else tuple(choices),
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known about one parameter."""

    name: str
    kind: Scalar
    array: bool
    default: Any
    description: str
    range: tuple[float, float] | None
    choices: tuple[object, ...] | None


class Row(NamedTuple):
    """One line of a table of parameters."""

    name: str
    type: str
    default: str
    allowed: str
    description: str


def specs(config_type: type, prefix: str = '') -> list[Spec]:
    """
    List the parameters of a configuration, groups flattened.

    :param config_type: a dataclass made of :func:`parameter` fields and groups.
    :param prefix: put in front of every name, as in ``'sac.'``.
    :raises TypeError: for a field type that no ROS parameter has (a mistake in the code).
    """
    hints = get_type_hints(config_type)
    found: list[Spec] = []
    for field in dataclasses.fields(config_type):
        hint = hints[field.name]
        name = prefix + field.name
        if dataclasses.is_dataclass(hint):
            found += specs(cast(type, hint), f'{name}.')
            continue
        kind, array = _kind(hint, f'{config_type.__name__}.{field.name}')
        found.append(
            Spec(
                name,
                kind,
                array,
                field.default,
                str(field.metadata.get('description', '')),
                field.metadata.get('range'),
                field.metadata.get('choices'),
            )
        )
    return found


def build(config_type: type[T], values: Mapping[str, object], *, node: str) -> T:
    """
    Make a configuration from values by name; what is not given keeps its default.

    :param config_type: a dataclass made of :func:`parameter` fields and groups.
    :param values: parameter name to value; lists and tuples are equal.
    :param node: name of the owner, for the error messages.
    :raises ParameterError: one sentence naming the parameter, its value and what was expected.
    """
    known = {spec.name: spec for spec in specs(config_type)}
    for name in values:
        if name not in known:
            raise ParameterError(_unknown(node, name, known))
    checked = {name: _checked(known[name], value, node) for name, value in values.items()}
    try:
        return _construct(config_type, checked, '')
    except ParameterError:
        raise
    except ValueError as error:  # from __post_init__: values that do not go together
        raise ParameterError(f'{node}: {error}') from error


def flatten(config: object, prefix: str = '') -> dict[str, Any]:
    """Return the values of a configuration by parameter name, groups flattened."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            values |= flatten(value, f'{prefix}{field.name}.')
        else:
            values[prefix + field.name] = value
    return values


def describe(config_type: type) -> list[Row]:
    """List the parameters of a configuration as lines of a table for documentation."""
    return [
        Row(
            spec.name,
            f'{spec.kind.__name__}[]' if spec.array else spec.kind.__name__,
            _shown(spec.default),
            _allowed(spec),
            spec.description,
        )
        for spec in specs(config_type)
    ]


def _kind(hint: Any, where: str) -> tuple[Scalar, bool]:
    if hint in (bool, int, float, str):
        return hint, False
    arguments = get_args(hint)
    is_array = get_origin(hint) is tuple and arguments[1:] == (Ellipsis,)
    if is_array and arguments[0] in (int, float, str):
        return arguments[0], True
    raise TypeError(f'{where}: {hint} cannot be a ROS parameter')


def _construct(config_type: type[T], values: Mapping[str, Any], prefix: str) -> T:
    hints = get_type_hints(config_type)
    arguments: dict[str, Any] = {}
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]
        name = prefix + field.name
        if dataclasses.is_dataclass(hints[field.name]):
            inner = {key: value for key, value in values.items() if key.startswith(f'{name}.')}
            if inner:
                arguments[field.name] = _construct(hints[field.name], inner, f'{name}.')
        elif name in values:
            arguments[field.name] = values[name]
    return config_type(**arguments)


def _checked(spec: Spec, value: object, node: str) -> object:
    if not spec.array:
        return _checked_scalar(spec, value, f'{node}.{spec.name}')
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ParameterError(f'{node}.{spec.name} is {_shown(value)}: expected {_expected(spec)}')
    return tuple(
        _checked_scalar(spec, element, f'{node}.{spec.name}[{index}]')
        for index, element in enumerate(value)
    )


def _checked_scalar(spec: Spec, value: Any, where: str) -> object:
    element = dataclasses.replace(spec, array=False)
    converted = float(value) if spec.kind is float and type(value) is int else value
    correct = type(converted) is spec.kind
    if correct and spec.kind is float:
        correct = math.isfinite(converted)
    if correct and spec.range is not None:
        correct = spec.range[0] <= converted <= spec.range[1]
    if correct and spec.choices is not None:
        correct = converted in spec.choices
    if not correct:
        raise ParameterError(f'{where} is {_shown(value)}: expected {_expected(element)}')
    return converted


def _expected(spec: Spec) -> str:
    if spec.array:
        return f'a list of {_PLURAL[spec.kind]}'
    allowed = _allowed(spec)
    if spec.choices is not None:
        return allowed
    noun = _SINGULAR[spec.kind]
    return f'{noun} {allowed}' if allowed else noun


def _allowed(spec: Spec) -> str:
    if spec.choices is not None:
        *most, final = [_shown(choice) for choice in spec.choices]
        return f'{", ".join(most)} or {final}' if most else final
    if spec.range is None:
        return ''
    low, high = (_shown(spec.kind(x)) if math.isfinite(x) else '' for x in spec.range)
    if low and high:
        return f'from {low} to {high}'
    if low:
        return f'of at least {low}'
    if high:
        return f'of at most {high}'
    return ''


def _unknown(node: str, name: str, known: Mapping[str, Spec]) -> str:
    message = f"{node} has no parameter '{name}'"
    close = difflib.get_close_matches(name, known, n=1)
    return f"{message}: did you mean '{close[0]}'?" if close else message


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f'{value:g}'
    if isinstance(value, list | tuple):
        return f'[{", ".join(map(_shown, value))}]'
    return repr(value)
