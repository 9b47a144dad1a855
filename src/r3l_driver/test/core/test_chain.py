# SPDX-License-Identifier: Apache-2.0
"""The chain against emulated servos on a pseudo-terminal, sound and with faults."""

import dataclasses
import time

import numpy as np
import pytest
from r3l_driver.core.bus_errors import ChainError, GoalRefused, PortBusy, PortLost
from r3l_driver.core.chain import ServoChain
from r3l_driver.core.chain_config import Chain, ChainConfig, Identity
from r3l_driver.core.control_table import HardwareError
from r3l_node.core.errors import ConfigError

IDS = (11, 12, 21, 22)
TICK = 2 * np.pi / 4096
DEADLINE = 30.0  # [s]


@pytest.fixture
def chain(bench):
    bench.chain.configure()
    return bench.chain


def read_until(chain, condition):
    """Read until what is read is as wanted."""
    end = time.monotonic() + DEADLINE
    while not condition(readings := chain.read()):
        assert time.monotonic() < end, readings
    return readings


def read_soundly(chain):
    return read_until(chain, lambda readings: readings.ok.all())


def only(index):
    return np.arange(len(IDS)) == index


def test_it_is_the_chain_that_was_agreed_on(bench):
    chain: Chain = bench.chain
    assert chain.is_open
    chain.close()
    chain.close()
    assert not chain.is_open
    with pytest.raises(PortLost, match='it is not open'):
        chain.read()


def test_servos_say_who_they_are(bench):
    assert bench.chain.identify() == [Identity(number, 1030, 45) for number in IDS]


def test_missing_and_wrong_servos_are_named(bench):
    other = dataclasses.replace(bench.config, model='XM430-W350')
    bench.chain.close()
    chain = ServoChain(other)
    chain.open()
    with pytest.raises(
        ChainError, match=r'servo 11 \(joint_11\) is XM430-W210 \(1030\): expected'
    ):
        chain.identify()
    chain.close()
    more = ChainConfig(bench.config.port, (11, 12, 13, 99), reply_timeout=0.1)
    chain = ServoChain(more)
    chain.open()
    with pytest.raises(ChainError, match=r'no answer from servo 13 \(joint_13\), servo 99'):
        chain.identify()
    chain.close()


def test_a_set_up_is_in_the_servos_and_the_audit_agrees(bench, chain):
    for number in IDS:
        assert bench.register(number, 'operating_mode') == 5
        assert bench.register(number, 'goal_current') == 371
        assert bench.register(number, 'profile_velocity') == 125
        assert bench.register(number, 'bus_watchdog') == 0
    assert [chain.audit(index) for index in range(4)] == [[]] * 4


@pytest.mark.parametrize(
    ('name', 'value'),
    [('goal_current', 5), ('position_p_gain', 1), ('operating_mode', 3), ('drive_mode', 1),
     ('profile_velocity', 0), ('indirect_address_3', 100), ('status_return_level', 1)],
)  # fmt: skip
def test_a_setting_that_changed_is_found_and_named(bench, chain, name, value):
    bench.put(12, name, value)
    found = chain.audit(1)
    assert len(found) == 1
    told = 'indirect addresses' if name.startswith('indirect') else f'{name} {value}: expected'
    assert f'servo 12 (joint_12) has {"other " if "indirect" in name else ""}{told}' in found[0]
    assert chain.audit(0) == []


def test_a_set_up_refuses_torque_and_an_eeprom_that_turns_positions_into_others(bench):
    bench.put(21, 'homing_offset', 100)
    with pytest.raises(ChainError, match=r'servo 21 .* has homing_offset 100: expected 0'):
        bench.chain.configure()
    bench.put(21, 'homing_offset', 0)
    bench.put(21, 'torque_enable', 1)
    with pytest.raises(ChainError, match=r'servo 21 .* has its torque on'):
        bench.chain.configure()


def test_a_value_that_a_servo_refuses_is_named(bench):
    bench.put(12, 'current_limit', 100)
    with pytest.raises(ChainError, match=r'servo 12 .* refuses goal_current 371: .*Data Limit'):
        bench.chain.configure()


def test_goals_reach_the_servos_by_direction_and_offset(bench, chain):
    chain.write_goals(np.array([0.5, 0.1, -0.2, 0.8]))
    readings = chain.read()  # so that the write has been carried out
    assert readings.position == pytest.approx([0.0, 0.1, -0.2, 0.3], abs=TICK)
    ticks = [bench.register(number, 'goal_position') for number in IDS]
    assert ticks == [2048 + 326, 2048, 2048, 2048 - 326]
    chain.write_goals(np.array([0.0, 0.1, -0.2, 0.3]), only(3))
    chain.read()
    assert [bench.register(number, 'goal_position') for number in IDS] == [*ticks[:3], 2048]


@pytest.mark.parametrize(
    ('goal', 'message'),
    [
        ([0.0, np.nan, 0.0, 0.0], r'goal of servo 12 \(joint_12\) is nan rad: expected -1 to 1'),
        ([np.inf, 0.0, 0.0, 0.0], 'is inf rad'),
        ([0.0, 0.0, 0.0, 1.001], 'is 1.001 rad: expected -1 to 1 rad'),
        ([0.0] * 3, r'shape \(3,\): expected \(4,\)'),
    ],
)
def test_a_goal_that_is_no_goal_is_not_written_to_any_servo(bench, chain, goal, message):
    with pytest.raises(GoalRefused, match=message):
        chain.write_goals(np.array(goal))
    chain.read()
    assert [bench.register(number, 'goal_position') for number in IDS] == [
        bench.register(number, 'present_position') for number in IDS
    ]


def test_torque_is_switched_and_read_back_for_those_selected(bench, chain):
    assert chain.set_torque(True, only(1)).tolist() == [False, True, False, False]
    assert chain.set_torque(True, only(2)).tolist() == [False, True, True, False]
    assert chain.torque_enabled().tolist() == [False, True, True, False]
    assert chain.set_torque(False, only(1)).tolist() == [False, False, True, False]
    assert [bench.register(number, 'torque_enable') for number in IDS] == [0, 0, 1, 0]
    assert not chain.set_torque(False).any()


def test_servos_move_to_their_goals_with_torque(chain):
    chain.write_goals(np.array([0.3, 0.4, -0.5, 0.6]))
    assert chain.set_torque(True).all()
    read_until(chain, lambda r: np.allclose(r.position, [0.3, 0.4, -0.5, 0.6], atol=0.02))


def test_a_watchdog_trips_on_silence_and_is_cleared(bench, chain):
    assert chain.set_torque(True).all()
    assert chain.arm_watchdog(only(0) | only(2)).tolist() == [True, False, True, False]
    assert bench.register(11, 'bus_watchdog') in (10, -1)
    assert chain.audit(0) == []
    end = time.monotonic() + DEADLINE
    while bench.register(11, 'bus_watchdog') != -1:
        assert time.monotonic() < end
    assert chain.watchdog_tripped().tolist() == [True, False, True, False]
    assert chain.audit(0) == []  # has its own message
    assert chain.torque_enabled().all()
    assert chain.disarm_watchdog().all()
    assert not chain.watchdog_tripped().any()
    assert chain.audit(0) == []


def test_lost_packets_are_asked_for_again(bench, chain):
    bench.chain.close()
    # Nobody waits long for what is lost, so a busy machine loses more; values stay true.
    quick = dataclasses.replace(bench.config, reply_timeout=0.03, late_reply=0.05, retries=4)
    chain = ServoChain(quick)
    chain.open()
    bench.fault('drop 0.2')
    sound = sum(int(chain.read().ok.sum()) for _ in range(40))
    bench.fault('clear')
    assert sound >= 40  # of 160
    assert chain.bus.counters.timeouts > 0
    read_soundly(chain)
    chain.close()


@pytest.mark.parametrize('fault', ['delay 0.05', 'duplicate 1', 'corrupt 0.5', 'delay 0.5 p 0.3'])
def test_no_reply_out_of_turn_is_a_value(bench, fault):
    # Every servo stands where only it stands: a mixed-up reply would show.
    bench.chain.close()
    quick = dataclasses.replace(bench.config, reply_timeout=0.02, late_reply=1.0)
    chain = ServoChain(quick)
    chain.open()
    chain.configure()
    chain.write_goals(np.array([-0.9, -0.3, 0.3, 0.9]))
    chain.set_torque(True)
    settled = read_until(
        chain, lambda r: np.allclose(r.position, [-0.9, -0.3, 0.3, 0.9], atol=0.02)
    )
    ticks = settled.tick.copy()
    bench.fault(fault)
    for _ in range(15):
        readings = chain.read()
        ok = readings.ok  # some may still swing
        assert np.allclose(readings.position[ok], settled.position[ok], atol=0.1)
        passed = (readings.tick - ticks)[readings.ok] % 32_768
        assert (passed < 16_384).all()  # never a tick older than one read before
        ticks[readings.ok] = readings.tick[readings.ok]
        for index, on in enumerate(chain.torque_enabled()):
            assert on or bench.register(IDS[index], 'torque_enable')
    bench.fault('clear')
    read_soundly(chain)
    chain.close()


def test_a_silent_servo_is_missing_and_the_others_are_read(bench, chain):
    bench.chain.close()
    chain = ServoChain(dataclasses.replace(bench.config, reply_timeout=0.05))
    chain.open()
    bench.fault('mute id 12')
    read_until(chain, lambda r: r.ok.tolist() == [True, False, True, True])
    before = int(chain.counters[1])
    for _ in range(5):
        chain.read()
    assert chain.counters[1] == before + 5
    assert not chain.answers(1)
    assert not chain.set_torque(True, only(1)).any()
    # Nobody knows: it may well be on.
    assert chain.set_torque(False, only(1)).tolist() == [False, True, False, False]
    bench.fault('clear')
    read_soundly(chain)
    assert chain.answers(1)
    chain.close()


def test_a_reboot_leaves_a_servo_that_has_to_be_set_up_again(bench, chain):
    chain.set_torque(True)
    bench.fault('overload id 22')
    readings = read_until(chain, lambda r: r.alert[3] and r.error[3] != 0)
    assert readings.error.tolist() == [0, 0, 0, HardwareError.OVERLOAD]
    assert chain.torque_enabled().tolist() == [True, True, True, False]
    chain.reboot(3)
    readings = read_until(chain, lambda r: r.restarted[3])
    assert readings.ok.tolist() == [True, True, True, False]
    assert chain.audit(3) != []
    chain.configure(only(3))
    readings = read_soundly(chain)
    assert readings.error[3] == 0
    assert chain.torque_enabled().tolist() == [True, True, True, False]


def test_a_reboot_can_be_waited_for_elsewhere(bench, chain):
    chain.reboot(0, wait=False)
    end = time.monotonic() + DEADLINE
    while not chain.answers(0):
        assert time.monotonic() < end
    chain.configure(only(0))
    read_soundly(chain)


def test_a_servo_that_does_not_come_back_from_its_reboot_is_named(bench, chain):
    chain.close()
    impatient = ServoChain(
        dataclasses.replace(bench.config, reply_timeout=0.05, reboot_timeout=0.2)
    )
    impatient.open()
    bench.fault('mute id 12')
    with pytest.raises(ChainError, match=r'servo 12 \(joint_12\) does not answer 0.2 s after'):
        impatient.reboot(1)
    impatient.close()


def test_a_silent_restart_is_told(bench, chain):
    bench.fault('reset id 21')
    readings = read_until(chain, lambda r: r.restarted.any())
    assert readings.restarted.tolist() == [False, False, True, False]


def test_an_unplugged_adapter_is_lost_and_a_fresh_port_goes_on(bench, chain):
    bench.fault('unplug')
    with pytest.raises(PortLost):
        read_until(chain, lambda r: False)
    chain.close()
    with pytest.raises(PortLost, match='No such file'):
        chain.open()
    assert not chain.is_open
    bench.fault('replug')
    end = time.monotonic() + DEADLINE
    while not bench.pty.link.exists():
        assert time.monotonic() < end
    chain.open()
    read_soundly(chain)


def test_a_second_chain_on_the_port_is_refused(bench, chain):
    second = ServoChain(bench.config)
    with pytest.raises(PortBusy, match='another process drives it'):
        second.open()
    assert issubclass(PortBusy, ConfigError)
    read_soundly(chain)


def test_firmware_without_fast_reads_is_read_plainly(bench, chain, caplog):
    real = bench.chain.bus.sync_read
    modes = []

    def without_fast(ids, address, length, fast=False):
        modes.append(fast)
        return {} if fast else real(ids, address, length)

    chain.bus.sync_read = without_fast
    for _ in range(5):
        assert chain.read().ok.all()
    assert modes == [True, False] * 3 + [False] * 2
    assert 'no reply to fast sync reads' in caplog.text
