# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every R3L topic, in one place."""

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    qos_profile_sensor_data,
    QoSProfile,
    ReliabilityPolicy,
)


def _reliable(depth: int, *, late_joiners: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=(
            DurabilityPolicy.TRANSIENT_LOCAL if late_joiners else DurabilityPolicy.VOLATILE
        ),
    )


# camera/image_raw, camera/camera_info, joint_states: publishers, and subscribers in lockstep.
SENSOR = _reliable(10)
# The same topics for subscribers that run in real time: the newest counts, losses do not.
SENSOR_REALTIME = qos_profile_sensor_data

# joint_command: an old command must never queue behind a new one.
COMMAND = _reliable(1)

# latent, reward: one message per observation.
OBSERVATION = _reliable(100)

# transition: a restarted learner gets what it missed; receivers drop sequences seen before.
TRANSITION = _reliable(1000, late_joiners=True)

# encoder/weights, reward/weights: only the newest matters.
WEIGHTS = _reliable(1, late_joiners=True)
# policy/weights: in lockstep the agent picks an exact version.
POLICY_WEIGHTS = _reliable(10, late_joiners=True)

# agent/status, learner/status.
STATUS = _reliable(1, late_joiners=True)
# evaluation: a monitor that starts late shows the last ones.
EVALUATION = _reliable(10, late_joiners=True)
# metrics, from every node.
METRICS = _reliable(100)
# ground_truth, for evaluation tools only.
GROUND_TRUTH = _reliable(10)
# encoder/reconstruction, for viewers.
VIEW = qos_profile_sensor_data
# driver/state.
DRIVER_STATE = _reliable(10)
# driver/safety: whoever starts late must know at once.
SAFETY = _reliable(10, late_joiners=True)
# /diagnostics.
DIAGNOSTICS = _reliable(10)


def sensor(*, lockstep: bool) -> QoSProfile:
    """
    Return the profile with which to subscribe to images and joint states.

    :param lockstep: True where the simulator waits for an answer to every observation.
    """
    return SENSOR if lockstep else SENSOR_REALTIME
