# SPDX-License-Identifier: Apache-2.0
"""Test the declaration of parameters."""

from dataclasses import dataclass, field, FrozenInstanceError

import pytest
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import build, describe, flatten, parameter, ParameterError


@dataclass(frozen=True, slots=True)
class Sac:
    """A group."""

    rate: float = parameter(3e-4, 'learning rate [-]', range=(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Config:
    """One of each type."""

    episode_steps: int = parameter(25, 'steps of an episode [-]', range=(1, 100000))
    dt: float = parameter(0.2, 'control period [s]', range=(0.01, 10))
    pace: str = parameter('lockstep', 'who waits for whom', choices=('lockstep', 'realtime'))
    cache: bool = parameter(True, 'whether to cache')
    widths: tuple[int, ...] = parameter((256, 256), 'layer widths [-]', range=(1, 4096))
    names: tuple[str, ...] = parameter((), 'joint names')
    limits: tuple[float, ...] = parameter((), 'limits [rad]')
    seed: int = parameter(0, 'seed [-]', range=(0, float('inf')))
    sac: Sac = field(default_factory=Sac)


def test_what_is_not_given_keeps_its_default() -> None:
    assert build(Config, {}, node='agent') == Config()


def test_values_of_every_type_are_taken() -> None:
    config = build(
        Config,
        {
            'episode_steps': 10,
            'dt': 1,
            'pace': 'realtime',
            'cache': False,
            'widths': [8],
            'names': ['a', 'b'],
            'limits': [1, 2.5],
            'sac.rate': 0.5,
        },
        node='agent',
    )
    assert config == Config(10, 1.0, 'realtime', False, (8,), ('a', 'b'), (1.0, 2.5), 0, Sac(0.5))
    assert type(config.dt) is float
    assert type(config.limits[0]) is float


@pytest.mark.parametrize(
    ('name', 'value', 'sentence'),
    [
        ('episode_steps', 0, 'agent.episode_steps is 0: expected an integer from 1 to 100000'),
        ('episode_steps', 1.5, 'agent.episode_steps is 1.5: expected an integer from 1 to 100000'),
        ('episode_steps', True, 'agent.episode_steps is true: expected an integer'),
        ('dt', float('nan'), 'agent.dt is nan: expected a number from 0.01 to 10'),
        ('dt', '1', "agent.dt is '1': expected a number from 0.01 to 10"),
        ('dt', None, 'agent.dt is None: expected a number'),
        ('pace', 'fast', "agent.pace is 'fast': expected 'lockstep' or 'realtime'"),
        ('cache', 1, 'agent.cache is 1: expected true or false'),
        ('widths', [8, 0], 'agent.widths[1] is 0: expected an integer from 1 to 4096'),
        ('widths', 8, 'agent.widths is 8: expected a list of integers'),
        ('names', 'abc', "agent.names is 'abc': expected a list of texts"),
        ('seed', -1, 'agent.seed is -1: expected an integer of at least 0'),
        ('sac.rate', 2.0, 'agent.sac.rate is 2: expected a number from 0 to 1'),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(
    name: str, value: object, sentence: str
) -> None:
    with pytest.raises(ParameterError) as error:
        build(Config, {name: value}, node='agent')
    assert str(error.value).startswith(sentence)
    assert '\n' not in str(error.value)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ParameterError) as error:
        build(Config, {'epsiode_steps': 3}, node='agent')
    assert str(error.value) == (
        "agent has no parameter 'epsiode_steps': did you mean 'episode_steps'?"
    )
    with pytest.raises(ParameterError, match=r"agent has no parameter 'xyzzy'$"):
        build(Config, {'xyzzy': 3}, node='agent')


def test_values_that_do_not_go_together_are_a_parameter_error() -> None:
    @dataclass(frozen=True)
    class Pair:
        low: float = parameter(0.0, 'low [m]')
        high: float = parameter(1.0, 'high [m]')

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError(f'low is {self.low}: expected at most high, {self.high}')

    with pytest.raises(ParameterError, match=r'^sim: low is 2.0: expected at most high, 1.0$'):
        build(Pair, {'low': 2.0}, node='sim')


def test_flatten_is_the_inverse_of_build() -> None:
    config = Config(episode_steps=7, sac=Sac(0.1))
    assert flatten(config)['sac.rate'] == 0.1
    assert build(Config, flatten(config), node='agent') == config


def test_description_has_a_row_per_parameter() -> None:
    rows = {row.name: row for row in describe(Config)}
    assert list(rows)[-1] == 'sac.rate'
    assert rows['episode_steps'].allowed == 'from 1 to 100000'
    assert rows['pace'].allowed == "'lockstep' or 'realtime'"
    assert rows['widths'].type == 'int[]'
    assert rows['widths'].default == '[256, 256]'


def test_a_type_without_ros_parameter_is_a_mistake_in_the_code() -> None:
    @dataclass(frozen=True)
    class Wrong:
        thing: complex = parameter(1j, 'no ROS parameter is complex')

    with pytest.raises(TypeError, match=r'Wrong\.thing'):
        build(Wrong, {}, node='x')


def test_errors_are_config_errors_and_configs_are_frozen() -> None:
    assert issubclass(ParameterError, ConfigError)
    with pytest.raises(FrozenInstanceError):
        Config().dt = 1.0  # type: ignore[misc]
