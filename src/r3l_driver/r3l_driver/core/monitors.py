# SPDX-License-Identifier: Apache-2.0
"""What the readings of the servos say is wrong with the hand."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.chain_config import Readings
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import HardwareError, TICK_PERIOD
from r3l_driver.core.safety import Condition, Fault

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

JUMPS = 3  # positions rejected in a row at which the hand is held
JUMP_CALM = 0.5  # time without another one after which it goes on [s]
WARNING_BAND = 2.0  # below temperature_warning at which a warning ends [degC]
VOLTAGE_TIME = 0.15  # a shorter sag is the inrush of a motor [s]
VOLTAGE_CALM = 1.0  # [s]
CURRENT_SHARE = 1.25  # of the limit, which the servo controls only roughly
CURRENT_MARGIN = 0.05  # [A]
CURRENT_TIME = 0.2  # [s]
CURRENT_CALM = 1.0  # [s]
TICK_TOLERANCE = 0.15  # between two reads seen by the servo's clock and by ours [s]

HARDWARE = (
    (HardwareError.OVERLOAD, Fault.HARDWARE_OVERLOAD, 'has shut down: overload'),
    (HardwareError.OVERHEATING, Fault.HARDWARE_OVERHEAT, 'has shut down: overheating'),
    (HardwareError.ELECTRICAL_SHOCK, Fault.HARDWARE_ELECTRICAL, 'reports an electrical shock'),
    (HardwareError.ENCODER, Fault.HARDWARE_ENCODER, 'reports an encoder failure'),
    (HardwareError.INPUT_VOLTAGE, Fault.HARDWARE_VOLTAGE, 'reports a wrong input voltage'),
)


class Lasting:
    """
    A Boolean per joint that counts once it has lasted, and ends after a time of calm.

    :param joints: number of joints.
    :param onset: time that it must last [s].
    :param calm: time that it must be absent [s].
    """

    def __init__(self, joints: int, onset: float, calm: float) -> None:
        self._onset, self._calm = onset, calm
        self._began = np.full(joints, np.inf)
        self._last = np.full(joints, -np.inf)

    def update(self, present: Mask, now: float) -> Mask:
        """Return where it counts, shape (n,)."""
        self._began = np.where(present, np.minimum(self._began, now), np.inf)
        counts = now - self._began >= self._onset
        self._last = np.where(counts | (present & self._lingers(now)), now, self._last)
        return self._lingers(now)

    def _lingers(self, now: float) -> Mask:
        lingering: Mask = now - self._last < self._calm
        return lingering


class Monitors:
    """
    Watch the readings, cycle by cycle.

    ``position`` is the last measured position that is believed, shape (n,) [rad], NaN before the
    first; ``fresh`` says for which joints it is of this cycle; ``suspect`` whose clock does not
    fit, so that an audit must tell whether the servo restarted; ``missing`` who does not answer;
    ``errors``, ``temperature`` [degC] and ``voltage`` [V] are the last ones read.

    :param config: supplies the limits.
    """

    def __init__(self, config: DriverConfig) -> None:
        self._config = config
        joints = len(config.joint_names)
        self._low = np.array(config.position_low) - config.position_margin
        self._high = np.array(config.position_high) + config.position_margin
        self.position = np.full(joints, np.nan)
        self.temperature = np.full(joints, np.nan)
        self.voltage = np.full(joints, np.nan)
        self.errors = np.zeros(joints, np.uint8)
        self.fresh = np.zeros(joints, np.bool_)
        self.suspect: Mask = np.zeros(joints, np.bool_)
        self.missing = np.zeros(joints, np.bool_)
        self.rejected = 0
        self._read_at = np.full(joints, -np.inf)
        self._believed_at = np.full(joints, -np.inf)
        self._tick = np.zeros(joints, np.int64)
        self._misses = np.zeros(joints, np.int64)
        self._jumps = np.zeros(joints, np.int64)
        self._jumped = np.full(joints, np.nan)
        self._wild = Lasting(joints, 0.0, JUMP_CALM)
        self._low_voltage = Lasting(joints, VOLTAGE_TIME, VOLTAGE_CALM)
        self._high_voltage = Lasting(joints, VOLTAGE_TIME, VOLTAGE_CALM)
        self._loaded = Lasting(joints, CURRENT_TIME, CURRENT_CALM)
        self._hot = np.zeros(joints, np.bool_)
        self._warm = np.zeros(joints, np.bool_)

    def forget(self, mask: Mask) -> None:
        """Expect nothing of the next reading: the servos were away or restarted."""
        self._read_at = np.where(mask, -np.inf, self._read_at)
        self._believed_at = np.where(mask, -np.inf, self._believed_at)
        self._jumps = np.where(mask, 0, self._jumps)
        self.errors = np.where(mask, 0, self.errors).astype(np.uint8)
        self.suspect = self.suspect & ~mask

    def update(self, readings: Readings, now: float) -> list[Condition]:
        """
        Take the readings of one cycle.

        :param readings: of all joints.
        :param now: monotonic time [s].
        :return: what is wrong.
        """
        found: list[Condition] = []
        answered = readings.ok | readings.restarted
        self._misses = np.where(answered, 0, self._misses + 1)
        self.missing = self._misses >= self._config.misses
        self.suspect = self._clock_is_off(readings, now)
        found += self._positions(readings, now)
        self._tick = np.where(readings.ok, readings.tick, self._tick)
        self._read_at = np.where(readings.ok, now, self._read_at)
        found += self._silent()
        found += self._hardware(readings)
        found += self._heat(readings)
        found += self._electric(readings, now)
        return found

    def name(self, joint: int) -> str:
        """Name a joint and its servo for a sentence."""
        return f'{self._config.joint_names[joint]} (servo {self._config.ids[joint]})'

    def _clock_is_off(self, readings: Readings, now: float) -> Mask:
        known = readings.ok & np.isfinite(self._read_at)
        ours = np.where(known, now - self._read_at, 0.0)
        period = TICK_PERIOD / 1000.0
        theirs = (readings.tick - self._tick) / 1000.0
        apart = np.abs((theirs - ours + 0.5 * period) % period - 0.5 * period)
        off: Mask = known & (apart > TICK_TOLERANCE + 0.02 * ours)
        return off

    def _positions(self, readings: Readings, now: float) -> list[Condition]:
        reach = self._config.jump_speed * np.maximum(now - self._believed_at, self._config.cycle)
        with np.errstate(invalid='ignore'):
            near = ~(np.abs(readings.position - self.position) > reach)
            again = np.abs(readings.position - self._jumped) <= reach
        wild = readings.ok & ~near
        self.rejected += int(wild.sum())
        self._jumps = np.where(wild, self._jumps + 1, np.where(readings.ok, 0, self._jumps))
        # Three that agree with one another are where the joint really is.
        believed = wild & again & (self._jumps >= JUMPS)
        self._jumped = np.where(wild, readings.position, self._jumped)
        self.fresh = readings.ok & (near | believed)
        self.position = np.where(self.fresh, readings.position, self.position)
        self._believed_at = np.where(self.fresh, now, self._believed_at)
        jumping = self._wild.update(wild & (self._jumps >= JUMPS), now)
        with np.errstate(invalid='ignore'):
            outside = (self.position < self._low) | (self.position > self._high)
        return self._each(
            jumping, Fault.ENCODER_JUMP, 'reads positions that it cannot have turned to'
        ) + self._each(
            outside,
            Fault.POSITION_OUTSIDE,
            lambda j: f'is at {self.position[j]:.2f} rad, outside its limits',
        )

    def _silent(self) -> list[Condition]:
        if self.missing.all():
            return [Condition(Fault.BUS_TIMEOUT, 'no servo answers: check power and cable')]
        return self._each(self.missing, Fault.SERVO_MISSING, 'does not answer')

    def _hardware(self, readings: Readings) -> list[Condition]:
        self.errors = np.where(readings.ok, readings.error, self.errors).astype(np.uint8)
        found: list[Condition] = []
        if not self.errors.any():
            return found
        for bit, fault, words in HARDWARE:
            found += self._each((self.errors & bit) != 0, fault, words)
        return found

    def _heat(self, readings: Readings) -> list[Condition]:
        config = self._config
        self.temperature = np.where(readings.ok, readings.temperature, self.temperature)
        with np.errstate(invalid='ignore'):
            heat = self.temperature
            self._hot = (heat >= config.temperature_high) | (
                self._hot & (heat > config.temperature_resume)
            )
            self._warm = (heat >= config.temperature_warning) | (
                self._warm & (heat > config.temperature_warning - WARNING_BAND)
            )
        return self._each(
            self._hot,
            Fault.TEMPERATURE_HIGH,
            lambda j: f'is at {heat[j]:.0f} degC and cools to {config.temperature_resume:.0f}',
        ) + self._each(
            self._warm & ~self._hot,
            Fault.TEMPERATURE_WARNING,
            lambda j: f'is at {heat[j]:.0f} degC',
        )

    def _electric(self, readings: Readings, now: float) -> list[Condition]:
        config = self._config
        self.voltage = voltage = np.where(readings.ok, readings.voltage, self.voltage)
        greatest = CURRENT_SHARE * config.current_limit + CURRENT_MARGIN
        with np.errstate(invalid='ignore'):
            low = self._low_voltage.update(voltage < config.voltage_low, now)
            high = self._high_voltage.update(voltage > config.voltage_high, now)
            loaded = self._loaded.update(np.abs(readings.current) > greatest, now)

        def words(joint: int) -> str:
            return f'has {voltage[joint]:.1f} V, or had another voltage a moment ago'

        found = self._each(low, Fault.VOLTAGE_LOW, words)
        found += self._each(high, Fault.VOLTAGE_HIGH, words)
        return found + self._each(loaded, Fault.CURRENT_HIGH, f'takes more than {greatest:.2f} A')

    def _each(
        self, mask: Mask, fault: Fault, words: str | Callable[[int], str]
    ) -> list[Condition]:
        if not mask.any():  # Nearly always: then nothing else is worth its time.
            return []
        return [
            Condition(fault, f'{self.name(j)} {words if isinstance(words, str) else words(j)}')
            for j in map(int, np.flatnonzero(mask))
        ]
