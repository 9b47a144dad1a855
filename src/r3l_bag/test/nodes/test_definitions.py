# SPDX-License-Identifier: Apache-2.0
"""Test the definitions of message types against the messages that are installed."""

from __future__ import annotations

import pytest
from r3l_bag.core.definitions import definition, has_header, type_hash
from r3l_bag.nodes.topics import recorded
from r3l_node.core.errors import ConfigError
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

TOPICS = recorded(driver=True)


@pytest.mark.parametrize('name', sorted({topic.type_name for topic in TOPICS}))
def test_every_recorded_type_is_defined_with_all_that_is_in_it(name: str) -> None:
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(definition(name), name))
    assert name in store.types
    # The stamp of a bag's messages is read from the header that all of them begin with.
    assert has_header(name)
    # As ROS computed it when the message was built.
    assert store.hash_rihs01(name) == type_hash(name)


def test_the_ground_truth_is_never_recorded() -> None:
    assert not [topic for topic in TOPICS if 'ground_truth' in topic.name]


def test_a_type_that_is_not_installed_is_named() -> None:
    with pytest.raises(ConfigError, match='no definition of no_msgs/msg/None'):
        definition('no_msgs/msg/None')
    assert type_hash('no_msgs/msg/None') == ''
    assert not has_header('rosgraph_msgs/msg/Clock')
