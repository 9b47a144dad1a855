# SPDX-License-Identifier: Apache-2.0
"""Adam on one flat vector (arXiv:1412.6980, alg. 1)."""

import torch
from torch import Tensor


class Adam:
    """
    Adam for one tensor: the kernel of ``torch.optim.Adam(fused=True)`` without what is around it.

    :param parameter: updated in place.
    :param learning_rate: step size [-].
    """

    def __init__(self, parameter: Tensor, learning_rate: float) -> None:
        self.parameter = parameter
        self.learning_rate = learning_rate
        self.step_count = torch.zeros(1, device=parameter.device)
        self.mean = torch.zeros_like(parameter)
        self.square = torch.zeros_like(parameter)

    def step(self, gradient: Tensor) -> None:
        """
        Move the parameter against the gradient.

        :param gradient: shape of the parameter.
        """
        self.step_count += 1
        torch._fused_adam_(
            [self.parameter], [gradient], [self.mean], [self.square], [], [self.step_count],
            lr=self.learning_rate, beta1=0.9, beta2=0.999, eps=1e-8,
            weight_decay=0.0, amsgrad=False, maximize=False,
        )  # fmt: skip

    def state(self) -> dict[str, Tensor]:
        """Everything that an exact continuation needs, by name."""
        return {'step': self.step_count, 'mean': self.mean, 'square': self.square}

    def load(self, state: dict[str, Tensor]) -> None:
        """
        Continue from what ``state`` returned.

        :param state: tensors by name.
        """
        self.step_count.copy_(state['step'])
        self.mean.copy_(state['mean'])
        self.square.copy_(state['square'])
