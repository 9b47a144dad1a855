# SPDX-License-Identifier: Apache-2.0
"""Any Gymnasium environment as a world, reset only at the start and after a terminal state."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.loop.world import Feedback, Sensed, State
from r3l_node.core.errors import ConfigError
from r3l_reward.core.goals import resize

IMAGE_SIZES = (32, 64)  # least and greatest side of an image that the encoder takes [pixel]
BOX = 'observation'  # name of an observation that is a Box


class GymWorld:
    """
    Wrap a Gymnasium environment.

    What truncates its episodes is ignored: time does not end a life without resets. A state that
    it calls terminal makes a reset.

    :param env: with a bounded Box of actions and Box or Dict observations.
    :param goals: keys of a Dict observation that the classifier sees, an image or vectors; None:
        the image if there is one, or else all. What is left is for the policy alone.
    :raises ConfigError: one sentence, if it has other spaces.
    """

    joints_commanded = False

    def __init__(self, env: Any, goals: Sequence[str] | None = None) -> None:
        self.env = env
        spec = getattr(env, 'spec', None)
        self.name = spec.id if spec is not None else type(env).__name__
        spaces = _boxes(env.observation_space)
        images = [name for name, space in spaces.items() if _is_image(space)]
        vectors = [name for name in spaces if name not in images]
        if goals is None:
            goals = images[:1] or vectors
        self.goals = _known(goals, spaces)
        seen = [name for name in self.goals if name in images]
        if seen and len(self.goals) > 1:
            raise ConfigError(
                f'goals are {", ".join(self.goals)}: expected one image alone, or vectors'
            )
        self._image = seen[0] if seen else None
        self._own = [name for name in vectors if name not in self.goals]
        self._sizes = {name: int(np.prod(spaces[name].shape)) for name in spaces}
        self.image_size = _side(spaces[self._image]) if self._image else None
        self.feature_size = 0 if self._image else sum(self._sizes[name] for name in self.goals)
        self.joints = sum(self._sizes[name] for name in self._own)
        self.low, self.high = _action_range(env.action_space)
        # The posture between two episodes: nothing commanded, where that is possible.
        self.home = np.clip(np.zeros_like(self.low), self.low, self.high)
        self._shape, self._dtype = env.action_space.shape, env.action_space.dtype
        self._observation: Any = None

    def sensed(self, observation: Any) -> Sensed:
        """
        Turn an observation of the environment into what the loop knows.

        :param observation: as its ``reset`` and ``step`` return it.
        """
        parts = observation if isinstance(observation, dict) else {BOX: observation}
        own = self._join([parts[name] for name in self._own])
        if self._image is None:
            features = self._join([parts[name] for name in self.goals]).astype(np.float32)
            return Sensed(None, features, own)
        return Sensed(self._pixels(parts[self._image]), joint_position=own)

    def examples(self, goals: Any) -> NDArray[Any]:
        """
        Turn examples of success into what the classifier sees.

        :param goals: arrays by key, or one array, of shape (count, ...).
        :return: shape (count, size, size, 3) uint8, or (count, features) float32.
        :raises ConfigError: one sentence, if they are of another shape.
        """
        if not isinstance(goals, dict):
            array = np.asarray(goals)
            if self._image is None:
                return _checked(array, (self.feature_size,), 'goals').astype(np.float32)
            goals = {self._image: array}
        if self._image is not None:
            images = np.asarray(goals[self._image])
            if images.ndim != 4 or images.dtype != np.uint8 or images.shape[-1] != 3:
                raise ConfigError(
                    f'goals are {images.dtype} of shape {images.shape}: expected uint8 images, '
                    'shape (count, height, width, 3)'
                )
            return np.stack([self._pixels(image) for image in images])
        parts = [_checked(np.asarray(goals[k]), (self._sizes[k],), k) for k in self.goals]
        if len({len(part) for part in parts}) > 1:
            raise ConfigError(
                f'goals have {", ".join(str(len(part)) for part in parts)} examples by key: '
                'expected as many for each'
            )
        return np.concatenate(parts, axis=1).astype(np.float32)

    def observe(self) -> Sensed:
        """Return what the last step led to."""
        return self.sensed(self._observation)

    def step(self, target: NDArray[np.float64]) -> Feedback:
        """
        Take one step of the environment.

        :param target: an action of the environment, shape (actions,).
        """
        self._observation, reward, terminated, _, _ = self.env.step(self.action(target))
        return Feedback(float(reward), bool(terminated))

    def action(self, target: NDArray[np.float64]) -> NDArray[Any]:
        """
        Return a target as the environment takes it.

        :param target: shape (actions,).
        """
        return target.reshape(self._shape).astype(self._dtype)

    def reset(self, rng: np.random.Generator) -> None:
        """Reset the environment with a seed of the generator."""
        self._observation, _ = self.env.reset(seed=int(rng.integers(2**31)))

    def save_state(self) -> State | None:
        """Return None: environments have no common way to save where they are."""
        return None

    def load_state(self, state: State) -> None:
        """Raise, because nothing was saved."""
        raise ConfigError('a Gymnasium environment cannot go back to a saved state')

    def _pixels(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        assert self.image_size is not None
        if image.shape == (self.image_size, self.image_size, 3):
            return image
        return np.array(resize(np.ascontiguousarray(image), self.image_size))

    @staticmethod
    def _join(parts: list[Any]) -> NDArray[np.float64]:
        flat = [np.asarray(part, np.float64).ravel() for part in parts]
        return np.concatenate(flat) if flat else np.zeros(0)


def _boxes(space: Any) -> dict[str, Any]:
    from gymnasium import spaces

    found = dict(space.spaces) if isinstance(space, spaces.Dict) else {BOX: space}
    for name, part in found.items():
        if not isinstance(part, spaces.Box):
            raise ConfigError(
                f'{name} is a {type(part).__name__}: expected a Box or a Dict of them'
            )
    return found


def _is_image(space: Any) -> bool:
    shape = space.shape
    return bool(space.dtype == np.uint8 and len(shape) == 3 and shape[2] == 3)


def _known(goals: Sequence[str], spaces: dict[str, Any]) -> list[str]:
    for name in goals:
        if name not in spaces:
            raise ConfigError(f"goals have the key '{name}': expected of {', '.join(spaces)}")
    if not goals:
        raise ConfigError('goals have no key: expected at least one of the observation')
    return [name for name in spaces if name in goals]


def _side(space: Any) -> int:
    side = min(space.shape[:2])
    if side < IMAGE_SIZES[0]:
        raise ConfigError(f'the image has shape {space.shape}: expected at least 32x32 pixels')
    return int(min(side, IMAGE_SIZES[1]))


def _action_range(space: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from gymnasium import spaces

    if not isinstance(space, spaces.Box):
        raise ConfigError(f'actions are of {type(space).__name__}: expected a Box')
    low, high = (np.asarray(end, np.float64).ravel() for end in (space.low, space.high))
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise ConfigError(f'actions range from {low} to {high}: expected finite low < high')
    return low, high


def _checked(values: NDArray[Any], shape: tuple[int, ...], name: str) -> NDArray[Any]:
    flat = values.reshape(len(values), -1) if values.ndim else values
    if flat.ndim != 2 or flat.shape[1:] != shape or not np.isfinite(flat).all():
        raise ConfigError(
            f'{name} has shape {values.shape} or values that are not finite: expected '
            f'(count, {shape[0]})'
        )
    return flat
