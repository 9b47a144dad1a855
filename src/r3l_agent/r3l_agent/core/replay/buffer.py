# SPDX-License-Identifier: Apache-2.0
"""
Replay of observations: each is stored once and serves as s, as s' and as history.

Rows live in memory-mapped files, so that a killed learner loses none. A transition is a pair of
consecutive rows of one episode; the rows keep their images, so that latents and rewards can be
computed again by any later encoder or classifier.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray
from r3l_agent.core.observation import HAND, Layout
from r3l_node.core.ring import MappedRing

Array = NDArray[np.float32]
Images = NDArray[Any]  # or features
Indices = NDArray[np.int64]

RANDOM, TASK, PERTURBATION = 1, 2, 3
POLICIES = (RANDOM, TASK, PERTURBATION)
UNSCORED = 0
# Whose logits: the classifier of success, or that of states to begin from (perturbation goals).
SUCCESS, RESET = 0, 1


class Row(NamedTuple):
    """
    One observation and the action that answered it.

    ``image`` is (height, width, 3) uint8, or the features (features,) float32 that stand in for
    one; ``joint_position`` (joints,) in units of the command range, -1..1; ``previous_action``
    and ``action`` (joints,) in -1..1; ``latent`` (latent,) or empty if no encoder was there yet.
    ``last`` marks the end of an episode: no action follows. ``reward`` is the world's own for the
    step that led here; ``terminal`` tells that the world could not go on from here.
    """

    sequence: int
    policy: int
    first: bool
    last: bool
    image: Images
    joint_position: Array
    previous_action: Array
    action: Array
    latent: Array
    reward: float = 0.0
    terminal: bool = False


class _Pairs:
    """The rows of one policy that begin a transition, oldest first, in a ring."""

    def __init__(self, capacity: int) -> None:
        self._rows = np.zeros(capacity, np.int64)
        self._start = self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    def append(self, row: int) -> None:
        self._rows[self._end % len(self._rows)] = row
        self._end += 1

    def extend(self, rows: Indices) -> None:
        self._rows[(self._end + np.arange(len(rows))) % len(self._rows)] = rows
        self._end += len(rows)

    def forget_before(self, row: int) -> None:
        while self._start < self._end and self._rows[self._start % len(self._rows)] < row:
            self._start += 1

    def remove(self, row: int) -> None:
        rows = self.take(np.arange(len(self)))
        kept = rows[rows != row]
        self._rows[: len(kept)] = kept
        self._start, self._end = 0, len(kept)

    def take(self, offsets: Indices) -> Indices:
        return self._rows[(self._start + offsets) % len(self._rows)]


class Replay:
    """
    Store rows and sample transitions uniformly.

    :param path: folder of the mapped files; None keeps them in memory.
    :param capacity: number of rows; the oldest are overwritten.
    :param image_size: side of the images [pixel].
    :param latent_size: length of a latent; 0: none are stored.
    :param joints: number of joints, and length of an action.
    :param layout: where what is stored differs from a hand with a camera.
    """

    def __init__(
        self,
        path: Path | None,
        capacity: int,
        image_size: int,
        latent_size: int,
        joints: int,
        layout: Layout = HAND,
    ) -> None:
        own = joints if layout.joints is None else layout.joints
        fields: dict[str, tuple[tuple[int, ...], DTypeLike]] = {
            'sequence': ((), np.uint64),
            'policy': ((), np.uint8),
            'first': ((), np.bool_),
            'last': ((), np.bool_),
            'image': ((image_size, image_size, 3), np.uint8),
            'joint_position': ((own,), np.float32),
            'previous_action': ((joints,), np.float32),
            'action': ((joints,), np.float32),
            'latent': ((latent_size,), np.float32),
        }
        self.keeps_latents = latent_size > 0
        if not self.keeps_latents:
            del fields['latent']
        if layout.features:
            fields['image'] = ((layout.features,), np.float32)
        if layout.outcomes:
            fields |= {'reward': ((), np.float32), 'terminal': ((), np.bool_)}
        self.capacity = capacity
        self.ring = MappedRing(path, capacity + layout.slack, fields)
        self.arrays = self.ring.arrays
        self._pairs = {policy: _Pairs(capacity) for policy in POLICIES}
        self._logit = np.zeros((2, self.ring.capacity), np.float32)
        self._scored_by = np.full((2, self.ring.capacity), UNSCORED, np.int64)
        self._link_all()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ring)

    @property
    def last_sequence(self) -> int:
        """Sequence number of the newest row; -1 if there is none."""
        if not self.ring.count:
            return -1
        return int(self.arrays['sequence'][self.ring.slot(self.ring.count - 1)])

    def transitions(self, policies: Iterable[int] = POLICIES) -> int:
        """
        Count the transitions of some policies.

        :param policies: of ``RANDOM``, ``TASK`` and ``PERTURBATION``.
        :return: number of pairs that ``sample`` can return.
        """
        return sum(len(self._pairs[policy]) for policy in policies)

    def append(self, row: Row) -> None:
        """
        Add a row, over the oldest if the ring is full.

        :param row: its latent may be empty; ``encode`` fills it in.
        """
        fields = row._asdict()
        if 'reward' not in self.arrays:
            del fields['reward'], fields['terminal']
        if not self.keeps_latents:
            del fields['latent']
        elif not row.latent.size:
            fields['latent'] = np.zeros(self.arrays['latent'].shape[1:], np.float32)
        index = self.ring.append(**fields)
        self._scored_by[:, index % self.ring.capacity] = UNSCORED
        self._link(index)

    def interrupt(self, sequence: int) -> None:
        """
        Cut the chain before a row: what lies between it and the row before was no transition.

        :param sequence: of the row; unknown: nothing to cut.
        """
        newest, capacity = self.ring.count - 1, self.ring.capacity
        slots = np.flatnonzero(self.arrays['sequence'][: len(self)] == sequence)
        if slots.size:
            index = newest - int(((newest - slots) % capacity).min())
            self.arrays['first'][index % capacity] = True
            for pairs in self._pairs.values():
                pairs.remove(index - 1)

    def _link(self, index: int) -> None:
        """Make row ``index`` the end of a transition, if its predecessor belongs to it."""
        oldest = self._oldest
        for pairs in self._pairs.values():
            pairs.forget_before(oldest)
        before = index - 1
        if before < oldest:
            return
        here, there = index % self.ring.capacity, before % self.ring.capacity
        if self._connected(np.int64(there), np.int64(here)):
            self._pairs[int(self.arrays['policy'][there])].append(before)

    def _link_all(self) -> None:
        """Find the transitions among all rows that are there, as ``_link`` does one by one."""
        rows = np.arange(self._oldest, self.ring.count)
        here, there = rows[1:] % self.ring.capacity, rows[:-1] % self.ring.capacity
        connected = self._connected(there, here)
        policies = self.arrays['policy'][there]
        for policy, pairs in self._pairs.items():
            pairs.extend(rows[:-1][connected & (policies == policy)])

    @property
    def _oldest(self) -> int:
        """The oldest row that can begin a transition."""
        # After a wrap the predecessor of the oldest row is gone: it has no history any more.
        wrapped = self.ring.count > self.capacity
        return self.ring.count - self.capacity + 1 if wrapped else 0

    def _connected(
        self, there: Indices | np.int64, here: Indices | np.int64
    ) -> NDArray[np.bool_] | np.bool_:
        """Tell where the rows ``here`` follow the rows ``there`` in the same episode."""
        arrays = self.arrays
        together: NDArray[np.bool_] | np.bool_
        together = arrays['sequence'][here] == arrays['sequence'][there] + 1
        together &= ~arrays['first'][here] & ~arrays['last'][there]
        return together

    def encode(self, encoder: Callable[[Images], Array], chunk: int = 1024) -> None:
        """
        Compute the latent of every row again.

        :param encoder: images (batch, height, width, 3) to latents (batch, latent).
        :param chunk: rows at a time.
        """
        for start in range(0, len(self.ring), chunk):
            rows = slice(start, min(start + chunk, len(self.ring)))
            self.arrays['latent'][rows] = encoder(self.arrays['image'][rows])
        self._scored_by[:] = UNSCORED

    def sample(
        self, rng: np.random.Generator, size: int, policies: Iterable[int] = POLICIES
    ) -> Indices:
        """
        Draw transitions uniformly, with replacement.

        :param rng: source of randomness.
        :param size: number of transitions.
        :param policies: whose transitions.
        :return: slots of the first rows, shape (size,); ``following`` gives the second ones.
        :raises ValueError: if there is none.
        """
        pools = [self._pairs[policy] for policy in policies]
        offsets = rng.integers(sum(map(len, pools)), size=size)
        chosen = np.empty(size, np.int64)
        for pool in pools:
            mine = (offsets >= 0) & (offsets < len(pool))
            chosen[mine] = pool.take(offsets[mine])
            offsets -= len(pool)
        return chosen % self.ring.capacity

    def following(self, slots: Indices) -> Indices:
        """Return the slots of the rows after the given ones."""
        return (slots + 1) % self.ring.capacity

    def ahead(self, slots: Indices, count: int) -> tuple[Indices, Indices]:
        """
        Follow transitions for some steps, at most to the end of the episode or of what is known.

        :param slots: first rows of transitions, shape (size,).
        :param count: of steps, > 0.
        :return: slots of the rows after 1, 2, ... steps, shape (count, size), in which the last
            row of an episode is repeated, and the steps to that row, shape (size,).
        """
        rows = np.empty((count, len(slots)), np.int64)
        rows[0] = self.following(slots)
        steps = np.ones(len(slots), np.int64)
        on = np.ones(len(slots), np.bool_)
        # Behind the newest row there may be those of a life that a run was taken back from.
        newest = self.ring.slot(self.ring.count - 1)
        for step in range(1, count):
            there = rows[step - 1]
            here = self.following(there)
            on &= (there != newest) & self._connected(there, here)
            rows[step] = np.where(on, here, there)
            steps += on
        return rows, steps

    def preceding(self, slots: Indices) -> Indices:
        """Return the slots of the rows before, or the slots themselves where episodes begin."""
        return np.where(self.arrays['first'][slots], slots, (slots - 1) % self.ring.capacity)

    def logits(
        self,
        slots: Indices,
        version: int,
        score: Callable[[Indices], Array],
        which: int = SUCCESS,
    ) -> Array:
        """
        Look a classifier's logits up; compute those of rows that this version has not seen.

        :param slots: rows, any shape.
        :param version: of the classifier, > 0.
        :param score: computes the logits of slots, shape (count,) [nat].
        :param which: ``SUCCESS`` or ``RESET``.
        :return: same shape [nat].
        """
        logit, scored_by = self._logit[which], self._scored_by[which]
        stale = slots[scored_by[slots] != version]
        if stale.size:
            stale = np.unique(stale)
            logit[stale] = score(stale)
            scored_by[stale] = version
        found: Array = logit[slots]
        return found

    def scores(self, version: int, which: int = SUCCESS) -> tuple[Indices, Array]:
        """
        Copy the logits that a classifier has given so far.

        :param version: of the classifier.
        :param which: ``SUCCESS`` or ``RESET``.
        :return: slots and logits, each of shape (scored,).
        """
        slots = np.flatnonzero(self._scored_by[which] == version)
        return slots, self._logit[which, slots]

    def load_scores(
        self, version: int, slots: Indices, logits: Array, which: int = SUCCESS
    ) -> None:
        """
        Take the logits of a classifier, as ``scores`` returned them.

        Scored again in other company they could differ in their last bits.
        """
        self._logit[which, slots] = logits
        self._scored_by[which, slots] = version
