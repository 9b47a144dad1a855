# SPDX-License-Identifier: Apache-2.0
"""
The driver against emulated servos, in virtual time: every fault, its promise, its recovery.

What the servos were told and did is read from them and from the emulator's record.
"""

import dataclasses
import math

import numpy as np
import pytest
from r3l_driver.core.bus_errors import PortBusy
from r3l_driver.core.commands import CommandError
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.hand_driver import HandDriver, RequestError
from r3l_driver.core.robot import preflight_of
from r3l_driver.core.safety import State
from r3l_driver.testing import VirtualHand

# One finger: the emulated servos take most of the time of these tests.
FINGER = DriverConfig(
    ids=(11, 12, 13),
    joint_names=('finger1_joint1', 'finger1_joint2', 'finger1_joint3'),
    directions=(1, -1, 1),
    offsets=(0.0, 0.1, -0.1),
    position_low=(-0.48, -1.0, -1.5),
    position_high=(0.48, 1.0, 1.5),
)
COMMAND = np.array([0.3, -0.5, 0.7])
TICK = 2.0 * math.pi / 4096  # [rad]
PROMISE = 0.3  # from a fault to HOLD or worse [s]


def running(hand: VirtualHand) -> HandDriver:
    """Return a driver that executes commands."""
    driver = hand.driver(preflight=preflight_of(hand.chain, hand.config))
    driver.set_up()
    driver.request_torque(True)
    hand.run(driver, 0.6, COMMAND)
    assert driver.safety.state is State.RUN
    return driver


def until_left(hand: VirtualHand, driver: HandDriver, within: float) -> tuple[float, str]:
    """Run until commands are not executed any more; return the time and the fault's code."""
    began = hand.now
    while driver.safety.moving:
        hand.run(driver, 0.9 * hand.config.cycle, COMMAND)
        assert hand.now - began < within, driver.safety
    return hand.now - began, driver.safety.code


def until_run(hand: VirtualHand, driver: HandDriver, within: float) -> list[str]:
    """Run until commands are executed; return the codes of the faults on the way."""
    began, codes = hand.now, [driver.safety.code]
    while not driver.safety.moving:
        hand.run(driver, 0.9 * hand.config.cycle, COMMAND)
        codes.append(driver.safety.code)
        assert hand.now - began < within, driver.safety
    assert all(hand.torque())
    return list(dict.fromkeys(code for code in codes if code))


def goals_inside(hand: VirtualHand) -> bool:
    """Look in the emulator whether no goal was ever outside of the limits."""
    config = hand.config
    for joint, number in enumerate(config.ids):
        ends = np.array(hand.bus.goal_range[number]) - 2048
        angles = config.directions[joint] * ends * TICK + config.offsets[joint]
        if not config.position_low[joint] - TICK <= angles.min():
            return False
        if not angles.max() <= config.position_high[joint] + TICK:
            return False
    return True


@pytest.fixture
def hand() -> VirtualHand:
    return VirtualHand(FINGER)


def test_torque_comes_on_from_the_measured_position_with_the_watchdog(hand):
    driver = hand.driver()
    driver.request_torque(True)
    hand.run(driver, 0.5)
    assert driver.safety.state is State.HOLD
    assert driver.safety.code == 'command_stale'
    assert all(hand.torque())
    assert driver.monitors.position == pytest.approx([0.2, -0.1, 0.1], abs=0.01)
    assert hand.angles() == pytest.approx(0.2, abs=0.01)
    first = hand.events.of('goal')[0]['goals']
    assert all(abs(ticks - 2048 - 0.2 / TICK) < 2 for ticks in first.values())
    assert all(servo.registers.get('bus_watchdog') == 10 for servo in hand.bus.servos)


def test_a_command_is_reached_by_all_nine_under_the_limits():
    hand = VirtualHand()
    driver = hand.driver(preflight=preflight_of(hand.chain, hand.config))
    driver.request_torque(True)
    hand.run(driver, 0.3)
    hand.run(driver, 0.7, np.tile(COMMAND, 3))
    assert driver.monitors.position == pytest.approx(np.tile(COMMAND, 3), abs=0.01)
    assert goals_inside(hand)
    goals = np.array([list(e['goals'].values()) for e in hand.events.of('goal')[1:]])
    step = hand.config.velocity_limit * hand.config.cycle / TICK
    assert np.abs(np.diff(goals, axis=0)).max() <= step + 1


def test_without_commands_the_hand_is_held_in_time_then_limp_then_goes_on():
    hand = VirtualHand(dataclasses.replace(FINGER, limp_after=2.0))
    driver = running(hand)
    last = driver.commands.received
    states = hand.run(driver, 3.0)
    began = driver.safety.since
    assert driver.safety.state is State.LIMP
    held = began - hand.config.limp_after
    assert held - (last + hand.config.command_period) <= PROMISE
    assert State.HOLD in states
    assert not any(hand.torque())
    assert driver.safety.interruptions == 1
    until_run(hand, driver, 0.5)


@pytest.mark.parametrize('wrong', [np.full(3, np.nan), np.full(3, 1e30), np.zeros(9)])
def test_a_wrong_command_degrades_and_the_last_good_one_stands(hand, wrong):
    driver = running(hand)
    with pytest.raises(CommandError):
        driver.commands.offer(hand.config.joint_names, wrong, hand.now)
    hand.run(driver, 0.1, COMMAND)
    assert driver.safety.state is State.DEGRADED
    assert driver.safety.code == 'command_invalid'
    hand.run(driver, 1.2, COMMAND)
    assert driver.safety.state is State.RUN
    assert goals_inside(hand)


@pytest.mark.parametrize(
    ('fault', 'code', 'recovery'),
    [
        ('mute id 12 for 0.5', 'servo_missing', 1.0),
        ('drop 1.0 for 0.5', 'bus_timeout', 1.5),
        ('delay 0.05 for 0.5', 'bus_timeout', 2.0),
        ('corrupt 1.0 for 0.5', 'servo_missing', 1.5),
        ('overload id 13', 'hardware_overload', 1.0),
        ('reset id 11', 'servo_missing', 1.0),
        ('sag 9.0 for 0.6', 'voltage_low', 4.0),
        ('spike 2.0 id 11 count 6', 'encoder_jump', 1.5),
    ],
)
def test_a_fault_is_held_within_its_promise_and_recovered_from(hand, fault, code, recovery):
    driver = running(hand)
    hand.fault(fault)
    taken, found = until_left(hand, driver, 1.0)
    assert taken <= PROMISE
    assert found == code
    until_run(hand, driver, recovery)
    hand.run(driver, 0.5, COMMAND)
    assert driver.monitors.position == pytest.approx(COMMAND, abs=0.02)
    assert goals_inside(hand)


@pytest.mark.parametrize(
    'fault',
    ['drop 0.01 for 1', 'corrupt 0.02 for 1', 'duplicate 0.5 for 1', 'spike 2.0 id 11 count 1'],
)
def test_small_disturbances_do_not_stop_the_hand(hand, fault):
    driver = running(hand)
    hand.fault(fault)
    assert set(hand.run(driver, 1.0, COMMAND)) <= {State.RUN, State.DEGRADED}
    assert driver.monitors.position == pytest.approx(COMMAND, abs=0.02)


def test_one_missing_servo_is_named_and_the_others_stay_readable(hand):
    driver = running(hand)
    hand.fault('mute id 12 for 2')
    hand.run(driver, 1.0, COMMAND)
    assert 'finger1_joint2 (servo 12) does not answer' in driver.safety.reason
    assert driver.monitors.missing.tolist() == [False, True, False]
    assert driver.readings.ok.sum() == 2


def test_overload_is_seen_in_one_cycle_and_reboots_are_limited(hand):
    hand.config = dataclasses.replace(hand.config, reboots=2, reboot_window=4.0)
    driver = running(hand)
    for _ in range(2):
        hand.fault('overload id 13')
        hand.run(driver, 0.9 * hand.config.cycle, COMMAND)
        assert driver.safety.code == 'hardware_overload'
        until_run(hand, driver, 1.0)
    hand.fault('overload id 13')
    hand.run(driver, 0.1, COMMAND)
    assert (driver.safety.state, driver.safety.code) == (State.LIMP, 'reboot_limit')
    assert not any(hand.torque())
    assert len(hand.events.of('reboot')) == 2
    until_run(hand, driver, 8.0)  # once the window allows it
    assert len(hand.events.of('reboot')) == 3


def test_a_rebooted_servo_is_set_up_before_its_torque_and_from_where_it_stands(hand):
    driver = running(hand)
    hand.run(driver, 0.6, COMMAND)
    hand.fault('overload id 13')
    until_left(hand, driver, 0.3)
    began = len(hand.events.all)
    until_run(hand, driver, 1.0)
    servo = hand.servo(13)
    assert servo.registers.get('bus_watchdog') == 10
    assert servo.registers.get('goal_current') > 0
    goals = [e['goals'] for e in hand.events.all[began:] if e['event'] == 'goal']
    of_13 = [g[13] for g in goals if 13 in g]
    assert max(abs(g - of_13[0]) for g in of_13[:3]) < 30  # no jump on its way back


def test_heat_is_reported_then_let_go_then_resumed(hand):
    driver = running(hand)
    hand.fault('heat 62 id 12')
    hand.run(driver, 0.1, COMMAND)
    assert (driver.safety.state, driver.safety.code) == (State.DEGRADED, 'temperature_warning')
    hand.fault('heat 68 id 12')
    hand.run(driver, 0.1, COMMAND)
    assert (driver.safety.state, driver.safety.code) == (State.LIMP, 'temperature_high')
    assert not any(hand.torque())
    while driver.safety.code == 'temperature_high':
        assert driver.monitors.temperature.max() > hand.config.temperature_resume
        hand.run(driver, 0.1, COMMAND)
    until_run(hand, driver, 1.0)


@pytest.mark.parametrize('kind', ['electrical', 'encoder'])
def test_what_needs_a_person_stays_until_cleared(hand, kind):
    driver = running(hand)
    hand.fault(f'{kind} id 12')
    until_left(hand, driver, 0.3)
    hand.run(driver, 0.06, COMMAND)
    assert (driver.safety.state, driver.safety.code) == (State.STOP, f'hardware_{kind}')
    assert not any(hand.torque())
    hand.run(driver, 1.0, COMMAND)
    assert driver.safety.state is State.STOP
    assert not hand.events.of('reboot')
    driver.clear_fault()
    until_run(hand, driver, 2.0)


def test_a_silent_restart_is_noticed_also_where_the_servo_is_back_at_once(hand):
    driver = running(hand)
    hand.servo(13).reboot('silent_reset')
    hand.servo(13).pass_time(1.0)
    _, code = until_left(hand, driver, 0.3)
    assert code == 'servo_restarted'
    until_run(hand, driver, 1.0)


@pytest.mark.parametrize(('item', 'value'), [('goal_current', 1000), ('profile_velocity', 0)])
def test_changed_settings_are_noticed_within_a_second(hand, item, value):
    driver = running(hand)
    hand.servo(13).registers.put(item, value)
    _, code = until_left(hand, driver, 1.2)
    assert code == 'settings_changed'
    until_run(hand, driver, 1.0)
    assert hand.servo(13).registers.get(item) != value


def test_lost_torque_is_noticed_within_a_second(hand):
    driver = running(hand)
    hand.servo(12).set_torque(False)
    _, code = until_left(hand, driver, 1.2)
    assert code == 'settings_changed'
    until_run(hand, driver, 1.0)


def test_a_stopped_driver_trips_the_watchdogs_and_goes_on_by_itself(hand):
    driver = running(hand)
    hand.wait(0.5)  # nobody feeds the servos
    assert all(servo.registers.get('bus_watchdog') == -1 for servo in hand.bus.servos)
    hand.run(driver, 0.9 * hand.config.cycle, COMMAND)
    assert driver.safety.code == 'watchdog_tripped'
    until_run(hand, driver, 0.5)
    assert all(servo.registers.get('bus_watchdog') == 10 for servo in hand.bus.servos)


def test_a_new_driver_takes_over_from_a_killed_one(hand):
    running(hand)
    hand.chain.close()
    hand.wait(0.7)
    assert all(hand.torque())  # held by the servos' watchdogs
    driver = running(hand)
    assert driver.safety.interruptions == 0


def test_a_lost_port_is_reopened_and_the_hand_armed_within_the_promise(hand):
    driver = running(hand)
    hand.unplug()
    _, code = until_left(hand, driver, PROMISE)
    assert code == 'port_lost'
    assert driver.safety.reason.startswith('port is')
    hand.run(driver, 2.0, COMMAND)
    assert driver.safety.state is State.HOLD
    hand.plugged = True
    until_run(hand, driver, 5.0)


def test_a_port_that_another_process_drives_is_named(hand):
    hand.busy = True
    driver = hand.driver()
    with pytest.raises(PortBusy, match='another process'):
        driver.set_up()
    hand.run(driver, 0.1)
    assert driver.safety.state is not State.RUN
    assert 'another process' in driver.link.trouble


def test_an_emergency_stop_latches_and_can_always_be_asked_for(hand):
    driver = running(hand)
    driver.emergency_stop('a person asked')
    assert driver.release()
    hand.run(driver, 0.1, COMMAND)
    assert (driver.safety.state, driver.safety.reason) == (State.STOP, 'a person asked')
    assert not any(hand.torque())
    hand.run(driver, 1.0, COMMAND)
    assert driver.safety.state is State.STOP
    driver.clear_fault()
    hand.run(driver, 0.1)
    assert not driver.safety.moving  # what was commanded before is not meant any more
    until_run(hand, driver, 1.0)


def test_an_emergency_stop_from_before_a_restart_still_holds(hand):
    driver = hand.driver(stopped='a person asked')
    driver.request_torque(True)
    hand.run(driver, 0.5, COMMAND)
    assert driver.safety.state is State.STOP
    assert not any(hand.torque())


def test_a_refused_preflight_keeps_torque_off_and_is_repeated_on_clearing(hand):
    reasons = ['servo 11 has another model', '']
    driver = hand.driver(preflight=lambda: reasons.pop(0))
    driver.request_torque(True)
    hand.run(driver, 0.3, COMMAND)
    assert (driver.safety.state, driver.safety.code) == (State.STOP, 'preflight_failed')
    assert driver.safety.reason == 'servo 11 has another model'
    assert not any(hand.torque())
    driver.clear_fault()
    until_run(hand, driver, 1.0)


def test_torque_off_by_request_and_at_the_end_is_read_back(hand):
    driver = running(hand)
    driver.request_torque(False)
    hand.run(driver, 0.1, COMMAND)
    assert (driver.safety.state, driver.safety.code) == (State.LIMP, 'torque_off')
    assert not any(hand.torque())
    driver.request_torque(True)
    until_run(hand, driver, 0.5)
    assert driver.shutdown()
    assert not any(hand.torque())
    assert hand.port is None


def test_an_end_without_an_answer_is_not_called_off(hand):
    driver = running(hand)
    hand.fault('mute id 12 for 9')
    assert not driver.shutdown()
    assert sum(hand.torque()) == 1


def test_a_reboot_is_refused_while_commands_are_executed(hand):
    driver = running(hand)
    with pytest.raises(RequestError, match='commands are executed'):
        driver.request_reboot(11)
    with pytest.raises(RequestError, match='id is 99'):
        driver.request_reboot(99)
    hand.run(driver, 1.0)
    driver.request_reboot(11)
    assert until_run(hand, driver, 1.0)
    assert len(hand.events.of('reboot')) == 1


def test_in_lockstep_every_cycle_writes_one_goal_packet_whatever_the_state():
    hand = VirtualHand(dataclasses.replace(FINGER, pace='lockstep'))
    driver = hand.driver()
    driver.set_up()
    packets = []
    hand.bus.on_goals = lambda: packets.append(hand.now)
    for torque in (False, True, False):
        driver.request_torque(torque)
        before = len(packets)
        for _ in range(10):
            driver.cycle()
            hand.wait(hand.config.cycle)
        assert len(packets) - before == 10
        driver.cycle(act=False)
        assert len(packets) - before == 10
