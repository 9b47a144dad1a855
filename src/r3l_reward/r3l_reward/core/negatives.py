# SPDX-License-Identifier: Apache-2.0
"""Store what the robot saw: the classifier's negatives, one row per environment step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.ring import MappedRing

RANDOM, TASK = 1, 2

Encode = Callable[[NDArray[Any]], NDArray[np.float32]]
ENCODE_CHUNK = 512


class Negatives:
    """
    Latents or images of all environment steps, oldest overwritten first.

    For a classifier of latents, steps taken before there was an encoder are kept as images in a
    second, smaller ring and turned into latents when ``set_encoder`` is called.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        kind: str,
        image_size: int,
        latent_size: int,
        capacity: int,
        warmup_capacity: int,
        features: int = 0,
        slack: int = 0,
    ) -> None:
        """
        Open or create the rings.

        :param folder: where they live; ``None`` keeps them in memory.
        :param kind: ``latent`` or ``pixels``.
        :param image_size: side of the image [pixel].
        :param latent_size: dimensions of the latent.
        :param capacity: steps kept.
        :param warmup_capacity: steps kept as images before there is an encoder.
        :param features: length of the features that stand in for images; 0: images.
        :param slack: steps kept beyond the capacity but never sampled, so that a run can go back
            by as many steps.
        :raises RingError: one sentence, if the folder holds rings of another layout.
        """
        self.kind = kind
        common = {'policy': ((), np.uint8), 'sequence': ((), np.int64)}
        side = (image_size, image_size, 3)
        image = {
            'image': ((features,), np.float32) if features else (side, np.uint8),
            'encoder_version': ((), np.uint32),
            **common,
        }
        latent = {'latent': ((latent_size,), np.float32), **common}
        self._capacity = capacity
        self._ring = MappedRing(
            folder and folder / kind, capacity + slack, image if kind == 'pixels' else latent
        )
        self._warmup: MappedRing | None = None
        if kind == 'latent':
            self._warmup = MappedRing(folder and folder / 'warmup', warmup_capacity + slack, image)
        # A restarted node goes on with latents unless their conversion was interrupted.
        warmup_count = 0 if self._warmup is None else self._warmup.count
        self._encoded = kind == 'pixels' or self._ring.count >= max(warmup_count, 1)

    @property
    def count(self) -> int:
        """Environment steps ever stored."""
        return self._newest().count

    def counts(self) -> dict[str, int]:
        """Return the steps ever stored in each ring, by name of its folder."""
        counts = {self.kind: self._ring.count}
        if self._warmup is not None:
            counts['warmup'] = self._warmup.count
        return counts

    @property
    def last_sequence(self) -> int:
        """Sequence number of the newest step, -1 if there is none."""
        ring = self._newest()
        if ring.count == 0:
            return -1
        return int(ring.arrays['sequence'][ring.slot(ring.count - 1)])

    @property
    def ready(self) -> bool:
        """Whether rows are stored as what is sampled: latents need an encoder first."""
        return self._encoded

    @property
    def before_encoder(self) -> int:
        """Environment steps taken while there was no encoder (of a classifier of latents)."""
        ring = self._warmup
        if ring is None:
            return 0
        versions = ring.arrays['encoder_version'][: len(ring)]
        return ring.count - int(np.sum(versions > 0, dtype=np.int64))

    def add(
        self,
        value: NDArray[np.float32] | NDArray[np.uint8],
        *,
        policy: int,
        sequence: int,
        encoder_version: int = 0,
    ) -> None:
        """
        Store one environment step.

        :param value: latent if ``ready`` and of that kind, otherwise the image.
        :param policy: who acted, a constant of Transition.
        :param sequence: number of the transition.
        :param encoder_version: version of the encoder that the agent had; 0 for none.
        """
        if self.kind == 'latent' and self._encoded:
            self._ring.append(latent=value, policy=policy, sequence=sequence)
            return
        ring = self._ring if self._warmup is None else self._warmup
        ring.append(image=value, policy=policy, sequence=sequence, encoder_version=encoder_version)

    def set_encoder(self, encode: Encode) -> None:
        """
        Turn the images of the warm-up into latents; from now on rows are latents.

        An interrupted conversion is continued where it stopped.

        :param encode: maps images to latents, shape (batch, latent).
        """
        warmup = self._warmup
        self._encoded = True
        if warmup is None:
            return
        oldest = warmup.count - len(warmup)
        while self._ring.count < warmup.count:
            # A step that fell out of the small ring is replaced by the oldest one left, so that
            # a row's number stays the number of its environment step.
            start = self._ring.count
            numbers = range(start, min(start + ENCODE_CHUNK, warmup.count))
            slots = [warmup.slot(max(number, oldest)) for number in numbers]
            latents = encode(warmup.arrays['image'][slots])
            for slot, latent in zip(slots, latents, strict=True):
                self._ring.append(
                    latent=latent,
                    policy=warmup.arrays['policy'][slot],
                    sequence=warmup.arrays['sequence'][slot],
                )

    def candidates(self, end: int, include_random: bool) -> NDArray[np.int64]:
        """
        List the stored steps that may be sampled.

        :param end: only steps before this one.
        :param include_random: whether the random motion of the warm-up counts.
        :return: slots for ``rows``, in order of time; all of them random ones if there is
            nothing else.
        """
        ring = self._ring
        oldest = max(0, ring.count - self._capacity)
        slots = np.arange(oldest, max(min(end, ring.count), oldest + 1)) % ring.capacity
        if include_random:
            return slots
        chosen = slots[ring.arrays['policy'][slots] != RANDOM]
        return chosen if len(chosen) else slots

    def by_task(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """
        Tell which steps the task policy took.

        :param slots: any shape.
        :return: same shape.
        """
        taken: NDArray[np.bool_] = self._ring.arrays['policy'][slots] == TASK
        return taken

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32] | NDArray[np.uint8]:
        """
        Copy rows.

        :param slots: any shape.
        :return: shape (*slots.shape, ...).
        """
        name = 'latent' if self.kind == 'latent' else 'image'
        rows: NDArray[np.float32] = self._ring.arrays[name][slots]
        return rows

    def _newest(self) -> MappedRing:
        if self._warmup is not None and self._warmup.count > self._ring.count:
            return self._warmup
        return self._ring
