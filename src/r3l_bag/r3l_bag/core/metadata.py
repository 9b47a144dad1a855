# SPDX-License-Identifier: Apache-2.0
"""``metadata.yaml`` of a rosbag2 folder, version 9 of its format (ROS 2 Jazzy)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from r3l_bag.core.mcap_file import Topic
import yaml

NAME = 'metadata.yaml'
QOS = 'offered_qos_profiles'  # key of a channel's metadata
HASH = 'topic_type_hash'
_VERSION = 9
_DISTRO = 'jazzy'
_FOREVER = {'sec': 9223372036, 'nsec': 854775807}  # as rmw says that a time is not limited


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is told of one file."""

    name: str
    start: int  # log time [ns]
    end: int  # log time [ns]
    counts: tuple[int, ...]  # messages of each topic


def metadata_text(topics: Sequence[Topic], files: Sequence[FileFacts]) -> str:
    """
    Return the text of ``metadata.yaml``.

    :param topics: of the bag, in the order of the counts.
    :param files: closed ones, oldest first.
    """
    filled = [file for file in files if any(file.counts)]
    start = min((file.start for file in filled), default=0)
    end = max((file.end for file in filled), default=0)
    totals = [sum(file.counts[index] for file in files) for index in range(len(topics))]
    information = {
        'version': _VERSION,
        'storage_identifier': 'mcap',
        'duration': {'nanoseconds': end - start},
        'starting_time': {'nanoseconds_since_epoch': start},
        'message_count': sum(totals),
        'topics_with_message_count': [
            {'topic_metadata': _topic(topic), 'message_count': count}
            for topic, count in zip(topics, totals, strict=True)
        ],
        'compression_format': '',
        'compression_mode': '',
        'relative_file_paths': [file.name for file in files],
        'files': [
            {
                'path': file.name,
                'starting_time': {'nanoseconds_since_epoch': file.start},
                'duration': {'nanoseconds': file.end - file.start},
                'message_count': sum(file.counts),
            }
            for file in files
        ],
        'custom_data': None,
        'ros_distro': _DISTRO,
    }
    text: str = yaml.safe_dump({'rosbag2_bagfile_information': information}, sort_keys=False)
    return text


def _topic(topic: Topic) -> dict[str, Any]:
    return {
        'name': topic.name,
        'type': topic.type,
        'serialization_format': 'cdr',
        'offered_qos_profiles': yaml.safe_load(topic.metadata.get(QOS, '[]')) or [],
        'type_description_hash': topic.metadata.get(HASH, ''),
    }


def qos_text(depth: int, *, latched: bool, reliable: bool = True) -> str:
    """
    Return the quality of service of a topic's publishers as rosbag2 keeps it with a channel.

    :param depth: of the history [messages].
    :param latched: late joiners get what was published before.
    :param reliable: lost messages are sent again.
    """
    profile = {
        'history': 'keep_last',
        'depth': depth,
        'reliability': 'reliable' if reliable else 'best_effort',
        'durability': 'transient_local' if latched else 'volatile',
        'deadline': dict(_FOREVER),
        'lifespan': dict(_FOREVER),
        'liveliness': 'automatic',
        'liveliness_lease_duration': dict(_FOREVER),
        'avoid_ros_namespace_conventions': False,
    }
    text: str = yaml.safe_dump([profile], sort_keys=False)
    return text
