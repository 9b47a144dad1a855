# SPDX-License-Identifier: Apache-2.0
"""
What is looked at before torque comes on, and what is said about it.

:func:`r3l_driver.core.facts.collect` reads the servos and changes nothing; :func:`examine` is a
pure function of what was read, so that every refusal has its test.
"""

from collections.abc import Iterator
from typing import Protocol

from r3l_driver.core.bus import Bus
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import HardwareError, table_of_model, TABLES
from r3l_driver.core.facts import collect, host_facts, HostFacts, ServoFacts
from r3l_driver.core.findings import Finding, refuse, Report, warn
from r3l_driver.core.settings import compare, Difference, wanted_settings

USB_LATENCY = 1  # of the adapter, as the udev rule sets it [ms]
WIRE_TIME = 5.0  # of a bus cycle of nine servos at 1 Mbaud, without the adapter's latency [ms]
VOLTAGE_SPREAD = 0.7  # between servos, above which a cable or plug is suspect [V]
FREE_DISK = 2 * 2**30  # [byte]
GOOD_DISK = 10 * 2**30  # [byte]
CAMERA_SHARE = 0.9  # of the rate asked for


def examine(
    servos: tuple[ServoFacts, ...], config: DriverConfig, host: HostFacts | None = None
) -> Report:
    """
    Judge what was found.

    :param servos: those of the configured ids that answer.
    :param config: of the driver.
    :param host: what was found on the computer; None: the bus alone is judged.
    """
    host = host or HostFacts()
    differences = _differences(servos, config)
    findings = [*_identities(servos, config, host), *_settings(differences, config)]
    known = tuple(servo for servo in servos if servo.settings)
    for servo in known:
        findings += _state(servo, config)
    findings += _supply(known)
    findings += _computer(host, config)
    return Report(servos, tuple(findings), tuple(differences))


class OnBus(Protocol):
    """A chain of servos whose port is open."""

    @property
    def bus(self) -> Bus:
        """The bus that it is on."""


def preflight(chain: OnBus, config: DriverConfig) -> Report:
    """
    Judge the servos for the driver, before torque; nothing is written.

    What may pass by itself (heat, voltage, a servo that is silent or has shut down) is left to
    the driver, which watches it all the time; ``r3l check`` refuses that too.

    :param chain: open.
    :param config: of the driver.
    :return: its ``reason`` is empty where torque may come on.
    :raises PortLost: if the adapter goes meanwhile.
    """
    return examine(collect(chain.bus, config), config, host_facts(config)).lasting()


def _who(config: DriverConfig, servo: int) -> str:
    return f'{config.joint_names[config.ids.index(servo)]} (servo {servo})'


def _identities(
    servos: tuple[ServoFacts, ...], config: DriverConfig, host: HostFacts
) -> Iterator[Finding]:
    present = {servo.id for servo in servos}
    missing = [servo for servo in config.ids if servo not in present]
    if not present:
        yield refuse(
            'no_servo',
            f'no servo answers on {config.port} at {config.baud_rate} bit/s',
            'switch the supply of the servos on, check the cable to the adapter, and see what '
            'r3l find-port says',
        )
        return
    if missing:
        yield refuse(
            'servo_missing',
            f'{", ".join(_who(config, servo) for servo in missing)} '
            f'{"does" if len(missing) == 1 else "do"} not answer',
            'check the plugs up to there; r3l find-port lists the ids that answer',
        )
    table = table_of_model(config.model)
    for servo in servos:
        if servo.model_number != table.number:
            yield refuse(
                'model_wrong',
                f'{_who(config, servo.id)} is a {_model(servo.model_number)}, the configuration '
                f'says {config.model}',
                'set the parameter model to what is built in; all servos must be of one model',
            )
        elif servo.firmware < table.watchdog_firmware:
            yield refuse(
                'firmware_old',
                f'{_who(config, servo.id)} has firmware {servo.firmware}, without a bus watchdog',
                f'update it to {table.watchdog_firmware} or later with DYNAMIXEL Wizard 2.0',
            )
        before = (host.firmwares or {}).get(servo.id, servo.firmware)
        if before != servo.firmware:
            yield warn(
                'servo_changed',
                f'{_who(config, servo.id)} has firmware {servo.firmware}, and had {before} when '
                'the hand was calibrated',
                'if it is another servo, run r3l calibrate again',
            )


def _model(number: int) -> str:
    names = {table.number: name for name, table in TABLES.items()}
    return f'{names[number]} ({number})' if number in names else f'servo of model number {number}'


def _differences(servos: tuple[ServoFacts, ...], config: DriverConfig) -> list[Difference]:
    table = table_of_model(config.model)
    found: list[Difference] = []
    for servo in servos:
        if servo.model_number == table.number:
            wanted = wanted_settings(config, table, servo.firmware)
            found += compare(servo.id, servo.settings, wanted)
    return found


def _settings(differences: list[Difference], config: DriverConfig) -> Iterator[Finding]:
    for servo in dict.fromkeys(difference.servo for difference in differences):
        what = ', '.join(str(d) for d in differences if d.servo == servo)
        yield refuse('settings_differ', f'{_who(config, servo)}: {what}', 'run r3l check --write')


def _state(servo: ServoFacts, config: DriverConfig) -> Iterator[Finding]:
    who = _who(config, servo.id)
    if servo.error:
        names = ', '.join(bit.name.lower().replace('_', ' ') for bit in HardwareError
                          if bit.name and servo.error & bit)  # fmt: skip
        yield refuse(
            'hardware_error',
            f'{who} reports {names or f"error bits {servo.error}"}',
            'find out why, then switch its supply off and on',
        )
    if servo.torque:
        yield warn(
            'torque_on',
            f'{who} holds torque already',
            'another program may have left it on; it is switched off before the hand is armed',
        )
    if not config.voltage_low <= servo.voltage <= config.voltage_high:
        low = servo.voltage < config.voltage_low
        yield refuse(
            'voltage_low' if low else 'voltage_high',
            f'{who} has {servo.voltage:.1f} V, expected {config.voltage_low:g} to '
            f'{config.voltage_high:g} V',
            'check the supply, its cables and plugs' if low else 'take a supply of fewer volts',
        )
    if servo.temperature >= config.temperature_high:
        yield refuse(
            'temperature_high',
            f'{who} is at {servo.temperature:.0f} degC, expected less than '
            f'{config.temperature_high:g} degC',
            f'let it cool to {config.temperature_resume:g} degC',
        )
    elif servo.temperature >= config.temperature_resume:
        yield warn(
            'temperature_warm',
            f'{who} is at {servo.temperature:.0f} degC',
            'it will reach its limit soon; a fan helps',
        )


def _supply(servos: tuple[ServoFacts, ...]) -> Iterator[Finding]:
    if not servos:
        return
    least = min(servos, key=lambda servo: servo.voltage)
    most = max(servos, key=lambda servo: servo.voltage)
    if most.voltage - least.voltage > VOLTAGE_SPREAD:
        yield warn(
            'voltage_spread',
            f'servo {least.id} has {most.voltage - least.voltage:.1f} V less than servo {most.id}',
            'look at the plugs between them, and feed the supply into every finger',
        )


def _computer(host: HostFacts, config: DriverConfig) -> Iterator[Finding]:
    if host.latency is not None and host.latency > USB_LATENCY:
        sentence = f'the latency timer of {config.port} is {host.latency} ms'
        remedy = f'set it to {USB_LATENCY} ms with the udev rule of docs/hardware.md'
        fits = host.latency + WIRE_TIME < 1000.0 * config.cycle
        make = warn if fits else refuse
        if not fits:
            sentence += f', too much for {config.bus_rate:g} bus cycles per second'
        yield make('latency_timer', sentence, remedy)
    if host.calibrated is False:
        yield warn(
            'not_calibrated',
            'no calibration file is in use',
            'run r3l calibrate, and give its file with --calibration',
        )
    yield from _camera(host)
    if host.free_disk is not None and host.free_disk < GOOD_DISK:
        sentence = f'{host.free_disk / 2**30:.1f} GiB of disk are free'
        if host.free_disk < FREE_DISK:
            yield refuse('disk_full', sentence, f'make room for {FREE_DISK / 2**30:.0f} GiB')
        else:
            yield warn('disk_low', sentence, 'a long run with its records may need 10 GiB')


def _camera(host: HostFacts) -> Iterator[Finding]:
    rate = host.camera_rate
    if rate is None or rate >= CAMERA_SHARE * host.camera_wanted:
        return
    if rate <= 0.0:
        yield refuse(
            'camera_missing',
            f'the camera gives no picture{host.camera_remark and f" ({host.camera_remark})"}',
            'see what r3l find-camera says',
        )
        return
    sentence = f'the camera gives {rate:.1f} pictures per second instead of {host.camera_wanted:g}'
    remedy = 'add light, lower the resolution, or plug it into another USB port'
    if rate < host.camera_needed:
        yield refuse('camera_slow', f'{sentence}, and {host.camera_needed:g} are needed', remedy)
    else:
        yield warn('camera_dim', sentence, remedy)
