# SPDX-License-Identifier: Apache-2.0
"""
The fault codes for people: ``python3 -m r3l_driver.core.fault_table docs/hardware.md``.

Writes the table between its two marks, from what :mod:`r3l_driver.core.safety` says of each fault.
"""

from collections.abc import Mapping
from pathlib import Path
import sys

from r3l_driver.core.safety import Fault, FAULTS
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic

BEGIN, END = '<!-- fault table: begin -->', '<!-- fault table: end -->'

# What a person can do; the rest is in FAULTS.
ADVICE: Mapping[Fault, str] = {
    Fault.COMMAND_STALE: 'Nothing, if the agent is paused or starting. Else look at its log.',
    Fault.COMMAND_INVALID: 'Look for a second publisher of joint_command, and at the joint names.',
    Fault.BUS_TIMEOUT: 'Is the supply on? Check the plug at the adapter; then r3l find-port.',
    Fault.SERVO_MISSING: 'Check the plugs up to that servo, on both of its sides.',
    Fault.PORT_LOST: 'Plug the adapter in again; fasten its cable; use the name /dev/ttyDXL.',
    Fault.HARDWARE_OVERLOAD: 'Nothing, if rare. Else look for what blocks the joint, or lower '
    'current_limit.',
    Fault.HARDWARE_OVERHEAT: 'Let it cool; lower current_limit; add a fan.',
    Fault.HARDWARE_ELECTRICAL: 'Look for a short circuit or a weak supply; then clear the fault.',
    Fault.HARDWARE_ENCODER: 'Reboot that servo; if it comes again, replace it. Then clear the '
    'fault.',
    Fault.HARDWARE_VOLTAGE: 'Check supply, cables and plugs.',
    Fault.TEMPERATURE_WARNING: 'Nothing yet; a fan helps.',
    Fault.TEMPERATURE_HIGH: 'Wait; if it comes often, lower current_limit or add a fan.',
    Fault.VOLTAGE_LOW: 'Check supply, cables and plugs; feed it into every finger.',
    Fault.VOLTAGE_HIGH: 'Take a supply of the right voltage.',
    Fault.SERVO_RESTARTED: 'If it comes often, a plug is loose or the supply is weak.',
    Fault.SETTINGS_CHANGED: 'Close other programs that talk to the servos.',
    Fault.ENCODER_JUMP: 'If it comes often, keep motor cables apart from the bus, check plugs.',
    Fault.WATCHDOG_TRIPPED: 'Nothing, if rare. Else the computer is too busy, or the adapter is '
    'loose.',
    Fault.CURRENT_HIGH: 'Look for what the hand is stuck on.',
    Fault.POSITION_OUTSIDE: 'Bring the joint back by hand with torque off; if it looks inside, '
    'calibrate again.',
    Fault.REBOOT_LIMIT: 'Look for what blocks the joint; lower current_limit.',
    Fault.EMERGENCY_STOP: 'Make the hand safe; then call driver/clear_fault.',
    Fault.PREFLIGHT_FAILED: 'Do what the reason says (r3l check says it too); then call '
    'driver/clear_fault.',
    Fault.TORQUE_OFF: 'Nothing, if you asked for it. With arm manual: call driver/set_dxl_torque.',
}


def fault_table() -> str:
    """Return the table in Markdown, one row per fault."""
    lines = [
        '| code | meaning | state | what the driver does | what to do |',
        '|---|---|---|---|---|',
    ]
    for fault in Fault:
        info = FAULTS[fault]
        state = f'{info.state.name}, until cleared' if info.latched else info.state.name
        cells = (f'`{fault.value}`', info.description, state, info.promise, ADVICE[fault])
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def with_table(text: str) -> str:
    """
    Return a document with the table between its marks.

    :param text: the document.
    :raises ConfigError: if it has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ConfigError(f'the document has no "{BEGIN}" and "{END}": expected both, in order')
    return f'{before}{begin}\n{fault_table()}\n{end}{after}'


if __name__ == '__main__':
    file = Path(sys.argv[1])
    write_atomic(file, with_table(file.read_text(encoding='utf-8')))
