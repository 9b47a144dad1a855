# SPDX-License-Identifier: Apache-2.0
"""
Put the parts of an observation together: image, latent and joint state.

An observation is named by the stamp of its image. Nothing is guessed or filled in: what does not
become complete is counted and forgotten.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

J = TypeVar('J')
I = TypeVar('I')  # noqa: E741 - image, beside J and L
L = TypeVar('L')

# Observations that may be incomplete at a time.
OPEN = 8
# Joint states among which the nearest is looked for, when they come faster than images.
JOINTS_KEPT = 64


class Joined(NamedTuple, Generic[J, I, L]):
    """A complete observation; the parts are the messages as they came."""

    stamp: int
    joints: J
    image: I
    latent: L


class ObservationJoiner(Generic[J, I, L]):
    """
    Join three streams by stamp.

    :param tolerance: largest distance of a joint state from its image [ns]; None: equal stamps.
    """

    def __init__(self, tolerance: int | None) -> None:
        self.incomplete = 0
        self._tolerance = tolerance
        self._images: dict[int, I] = {}
        self._latents: dict[int, L] = {}
        self._exact: dict[int, J] = {}
        self._recent: deque[tuple[int, J]] = deque(maxlen=JOINTS_KEPT)
        self._newest = -1

    def add_image(self, stamp: int, image: I) -> Joined[J, I, L] | None:
        """Take an image; return the observation that it completes."""
        self._images[stamp] = image
        self._bound()
        return self._complete(stamp)

    def add_latent(self, stamp: int, latent: L) -> Joined[J, I, L] | None:
        """Take the latent of the image with the same stamp; return what it completes."""
        self._latents[stamp] = latent
        return self._complete(stamp)

    def add_joints(self, stamp: int, joints: J) -> Joined[J, I, L] | None:
        """Take a joint state; return the observation that it completes."""
        if self._tolerance is None:
            self._exact[stamp] = joints
            return self._complete(stamp)
        self._recent.append((stamp, joints))
        for waiting in self._paired():
            joined = self._complete(waiting)
            if joined is not None:
                return joined
        return None

    def _paired(self) -> Iterator[int]:
        return iter([stamp for stamp in self._latents if stamp in self._images])

    def _complete(self, stamp: int) -> Joined[J, I, L] | None:
        latent = self._latents.get(stamp)
        image = self._images.get(stamp)
        if latent is None or image is None:
            self._trim(self._latents)
            self._trim(self._exact)
            return None
        joints = self._joints(stamp)
        if joints is None:
            return None
        for parts in (self._latents, self._images, self._exact):
            parts.pop(stamp, None)
        self._newest = max(self._newest, stamp)
        return Joined(stamp, joints, image, latent)

    def _joints(self, stamp: int) -> J | None:
        if self._tolerance is None:
            return self._exact.get(stamp)
        if not self._recent:
            return None
        nearest, joints = min(self._recent, key=lambda entry: abs(entry[0] - stamp))
        return joints if abs(nearest - stamp) <= self._tolerance else None

    def _bound(self) -> None:
        """Forget the oldest image; every observation has one, so they count what is lost."""
        while len(self._images) > OPEN:
            oldest = next(iter(self._images))
            del self._images[oldest]
            # A repetition of an observation that was completed before is no loss.
            if oldest > self._newest or self._tolerance is not None:
                self.incomplete += 1
            self._latents.pop(oldest, None)
            self._exact.pop(oldest, None)

    @staticmethod
    def _trim(parts: dict[int, L] | dict[int, J]) -> None:
        while len(parts) > OPEN:
            del parts[next(iter(parts))]
