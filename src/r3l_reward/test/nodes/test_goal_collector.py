# SPDX-License-Identifier: Apache-2.0
"""Goal images from a live topic."""

from pathlib import Path
import threading

import numpy as np
import pytest
from r3l_node.nodes import qos
from r3l_node.nodes.images import image_message
from r3l_node.testing import graph
from r3l_reward.core.goals import GoalError, load_goals
from r3l_reward.nodes.goal_collector import collect_goals
from sensor_msgs.msg import Image
from std_msgs.msg import Header


def test_images_of_a_topic_become_goal_images(tmp_path: Path) -> None:
    taken: list[int] = []
    with graph() as nodes:
        probe = nodes.probe('camera')
        images = probe.create_publisher(Image, 'camera/image_raw', qos.SENSOR)
        pixels = np.full((48, 64, 3), 99, np.uint8)
        probe.create_timer(0.02, lambda: images.publish(image_message(pixels, Header())))
        thread = threading.Thread(
            target=collect_goals,
            args=('camera/image_raw', 4, tmp_path / 'goals'),
            kwargs={
                'interval': 0.05,
                'progress': lambda number, count: taken.append(number),
                'domain_id': probe.context.get_domain_id(),
            },
        )
        thread.start()
        nodes.spin_until(lambda: not thread.is_alive(), 10.0)
    assert taken == [1, 2, 3, 4]
    assert (load_goals(tmp_path / 'goals', 32) == 99).all()


def test_a_silent_topic_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    with graph() as nodes:
        domain = nodes.probe().context.get_domain_id()
        with pytest.raises(GoalError, match=r'no image on nothing in 0\.2 s'):
            collect_goals('nothing', 4, tmp_path / 'goals', timeout=0.2, domain_id=domain)
    assert not (tmp_path / 'goals').exists()


def test_a_folder_in_use_is_refused_before_anything_is_taken(tmp_path: Path) -> None:
    (tmp_path / 'note.txt').write_text('keep')
    with pytest.raises(GoalError, match='exists already'):
        collect_goals('nothing', 4, tmp_path)
    with pytest.raises(GoalError, match='0 goal images'):
        collect_goals('nothing', 0, tmp_path / 'goals')
