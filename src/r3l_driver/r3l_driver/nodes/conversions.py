# SPDX-License-Identifier: Apache-2.0
"""Between messages and what the driver computes with."""

from collections.abc import Callable, Sequence
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.commands import CommandError
from r3l_driver.core.hand_driver import HandDriver
from r3l_msgs.msg import ActuatorStates, SafetyState
from r3l_node.nodes.fields import float_field
import rclpy.subscription
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

SECOND = 10**9  # [ns]
HAND_FRAME = 'base_link'


def nanoseconds(stamp: Time) -> int:
    """Return a stamp as one number [ns]."""
    return int(stamp.sec) * SECOND + int(stamp.nanosec)


def to_stamp(time: int) -> Time:
    """Return a time as a stamp; before 0 there is none [ns]."""
    seconds, rest = divmod(max(0, time), SECOND)
    return Time(sec=seconds, nanosec=rest)


def command_of(msg: JointTrajectory) -> tuple[list[str], NDArray[np.float64]]:
    """
    Return joints and positions of a command.

    :return: names, and positions in their order [rad].
    :raises CommandError: if it has not exactly one point.
    """
    if len(msg.points) != 1:
        raise CommandError(f'{len(msg.points)} points: expected 1')
    return list(msg.joint_names), np.array(msg.points[0].positions, np.float64)


def age_of(stamp: Time, now: int) -> float:
    """
    Return how old a stamp is [s]; 0 for one that says nothing.

    :param now: the time on the same clock [ns].
    """
    sent = nanoseconds(stamp)
    return (now - sent) / SECOND if sent else 0.0


def with_sender(callback: Callable[[Any, bytes], None]) -> Callable[..., None]:
    """
    Make a callback of a subscription that is told who published, where rclpy knows.

    Elsewhere it takes the message only: the events executor of rclpy 7 fails on any other.

    :param callback: takes the message and the publisher's identity, empty where it is not known.
    """
    info_type = getattr(rclpy.subscription, 'MessageInfo', None)
    if 'publisher_gid' not in getattr(info_type, '__annotations__', {}):
        return lambda msg: callback(msg, b'')
    return lambda msg, info: callback(msg, repr(info['publisher_gid']).encode())


def joint_state(driver: HandDriver, stamp: Time, torque_constant: float) -> JointState | None:
    """
    Return what was read in the last cycle, or None if that was nothing.

    Joints that did not answer, or whose position is not believed, are left out.

    :param stamp: time of the reading.
    :param torque_constant: of the servos [N m/A].
    """
    readings, fresh = driver.readings, driver.monitors.fresh
    if readings is None or not fresh.any():
        return None
    message = JointState()
    message.header.stamp = stamp
    message.header.frame_id = HAND_FRAME
    names = driver.config.joint_names
    message.name = [name for name, one in zip(names, fresh, strict=True) if one]
    message.position = float_field(readings.position[fresh], 'float64')
    message.velocity = float_field(readings.velocity[fresh], 'float64')
    message.effort = float_field(readings.current[fresh] * torque_constant, 'float64')
    return message


def actuator_states(
    driver: HandDriver, stamp: Time, failures: NDArray[np.uint64]
) -> ActuatorStates:
    """
    Return the state of the servos; NaN where one did not answer.

    :param stamp: time of the reading.
    :param failures: failed reads and writes of each servo, shape (n,).
    """
    config, readings = driver.config, driver.readings
    message = ActuatorStates(names=list(config.joint_names))
    message.header.stamp = stamp
    nothing = np.full(len(config.joint_names), np.nan)
    message.temperature = float_field(nothing if readings is None else readings.temperature)
    message.voltage = float_field(nothing if readings is None else readings.voltage)
    message.current = float_field(nothing if readings is None else readings.current)
    message.error = driver.monitors.errors.tolist()
    message.torque_enabled = driver.servos.torque.tolist()
    message.bus_errors = failures.tolist()
    return message


def safety_state(driver: HandDriver, now: int, clock: float) -> SafetyState:
    """
    Return what the hand may do.

    :param now: ROS time [ns].
    :param clock: the driver's own time at the same moment [s].
    """
    safety = driver.safety
    message = SafetyState(
        state=int(safety.state),
        code=safety.code,
        reason=safety.reason,
        interruptions=safety.interruptions,
    )
    message.header.stamp = to_stamp(now)
    message.since = to_stamp(now - round((clock - safety.since) * SECOND))
    return message


def by_name(message: JointState, names: Sequence[str]) -> JointState | None:
    """
    Return the named joints of a joint state in that order; None if one is missing.

    :param names: of the hand, which may be a part of a larger robot.
    """
    given = {name: index for index, name in enumerate(message.name)}
    if not all(name in given for name in names):
        return None
    order = [given[name] for name in names]
    chosen = JointState(header=message.header, name=list(names))
    for field in ('position', 'velocity', 'effort'):
        values = np.array(getattr(message, field), np.float64)
        if values.size == len(given):  # a field that does not apply is empty
            setattr(chosen, field, float_field(values[order], 'float64'))
    return chosen
