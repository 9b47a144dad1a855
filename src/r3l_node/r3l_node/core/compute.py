# SPDX-License-Identifier: Apache-2.0
"""
Where networks are trained, and how precisely.

Only what is trained lives there: arrays, files and messages stay those of the CPU, so that a run
may go on elsewhere. PyTorch is imported when it is needed; naming a device does not need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import parameter

if TYPE_CHECKING:
    import torch

DEVICES = ('cpu', 'cuda')
PRECISIONS = ('fp32', 'bf16')


def device_parameter() -> str:
    """Declare the field ``device`` of a configuration."""
    return parameter('cpu', 'where networks are trained', choices=DEVICES)


def precision_parameter() -> str:
    """Declare the field ``precision`` of a configuration."""
    return parameter(
        'fp32',
        'precision of the products in training; weights, sums and files are fp32 always',
        choices=PRECISIONS,
    )


@dataclass(frozen=True, slots=True)
class Compute:
    """
    A device and a precision.

    :param device: one of :data:`DEVICES`.
    :param precision: one of :data:`PRECISIONS`.
    """

    device: str = 'cpu'
    precision: str = 'fp32'

    @classmethod
    def named(cls, device: str, precision: str, *, node: str) -> Compute:
        """
        Choose what a node's parameters say.

        :param device: one of :data:`DEVICES`.
        :param precision: one of :data:`PRECISIONS`.
        :param node: whose parameters they are, for the message.
        :raises ConfigError: if PyTorch cannot use it here.
        """
        import torch

        if device == 'cuda' and not torch.cuda.is_available():
            raise ConfigError(
                f"{node}.device is 'cuda': expected 'cpu', because PyTorch {torch.__version__} "
                'finds no CUDA device on this machine'
            )
        return cls(device, precision)

    @property
    def half(self) -> bool:
        """Whether products are made in bfloat16."""
        return self.precision == 'bf16'

    def autocast(self) -> AbstractContextManager[object]:
        """Return a context in which the layers of ``torch.nn`` compute in the precision."""
        if not self.half:
            return nullcontext()
        import torch

        return torch.autocast(self.device, dtype=torch.bfloat16)


CPU = Compute()


def scalars(values: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """
    Read scalars, and wait for their device once and not for each of them.

    :param values: tensors of one element by name, on any devices.
    :return: numbers by name, in the same order.
    """
    import torch

    away = {name: value for name, value in values.items() if value.device.type != 'cpu'}
    found = dict.fromkeys(values, 0.0)
    if away:
        together = torch.stack([value.float().reshape(()) for value in away.values()])
        found.update(zip(away, together.tolist(), strict=True))
    found.update((name, float(value)) for name, value in values.items() if name not in away)
    return found
