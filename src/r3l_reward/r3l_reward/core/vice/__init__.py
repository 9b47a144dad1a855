# SPDX-License-Identifier: Apache-2.0
"""Success classifier trained on goal images against the robot's own images (VICE)."""

from r3l_reward.core.vice.config import ViceConfig
from r3l_reward.core.vice.model import RewardModel
from r3l_reward.core.vice.trainer import ViceTrainer
from r3l_reward.core.vice.two_goals import Trainer, trainer_of, TwoGoals

__all__ = ['RewardModel', 'Trainer', 'TwoGoals', 'ViceConfig', 'ViceTrainer', 'trainer_of']
