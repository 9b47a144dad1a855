# SPDX-License-Identifier: Apache-2.0
"""What preflight says: findings, and the report of all of them."""

from dataclasses import dataclass, replace
from enum import Enum

from r3l_driver.core.facts import ServoFacts
from r3l_driver.core.settings import Difference

# What the running driver watches by itself, and recovers from when it passes.
PASSING = frozenset(
    {
        'no_servo', 'servo_missing', 'hardware_error', 'voltage_low', 'voltage_high',
        'temperature_high',
    }
)  # fmt: skip


class Severity(Enum):
    """How bad a finding is."""

    REFUSE = 'refuse'  # no torque
    WARN = 'warn'


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that is not as it should be.

    :param code: name of the rule, in snake case.
    :param severity: whether torque is refused.
    :param sentence: what was found.
    :param remedy: what to do.
    """

    code: str
    severity: Severity
    sentence: str
    remedy: str

    def __str__(self) -> str:
        """Return sentence and remedy."""
        return f'{self.sentence}: {self.remedy}'


@dataclass(frozen=True, slots=True)
class Report:
    """What preflight found; empty findings mean that all is well."""

    servos: tuple[ServoFacts, ...]
    findings: tuple[Finding, ...]
    differences: tuple[Difference, ...]

    @property
    def ok(self) -> bool:
        """Whether torque may come on."""
        return not self.refusals

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Findings that refuse torque."""
        return tuple(f for f in self.findings if f.severity is Severity.REFUSE)

    @property
    def reason(self) -> str:
        """The first refusal as one sentence with its remedy; empty if there is none."""
        return str(self.refusals[0]) if self.refusals else ''

    def lasting(self) -> 'Report':
        """Return the report without what may pass by itself."""
        kept = tuple(finding for finding in self.findings if finding.code not in PASSING)
        return replace(self, findings=kept)


def refuse(code: str, sentence: str, remedy: str) -> Finding:
    """Return a finding that refuses torque."""
    return Finding(code, Severity.REFUSE, sentence, remedy)


def warn(code: str, sentence: str, remedy: str) -> Finding:
    """Return a finding that only needs attention."""
    return Finding(code, Severity.WARN, sentence, remedy)
