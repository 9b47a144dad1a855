# SPDX-License-Identifier: Apache-2.0
"""The state of the hand follows from its faults, whatever their order."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, RuleBasedStateMachine
from r3l_driver.core.safety import (
    clear,
    Condition,
    decide,
    Fault,
    FAULTS,
    Safety,
    State,
)

LIMP_AFTER = 10.0
conditions = st.builds(Condition, st.sampled_from(Fault), st.sampled_from(['a', 'b']))


def test_every_fault_has_its_description_and_promise():
    assert set(FAULTS) == set(Fault)
    for info in FAULTS.values():
        assert info.description.endswith('.')
        assert info.promise.endswith('.')


def test_nothing_wrong_is_run():
    safety = decide(Safety(), [], 1.0, LIMP_AFTER)
    assert safety.state is State.RUN
    assert (safety.code, safety.reason) == ('', '')


def test_a_hold_that_lasts_ends_in_limp_and_stays_until_its_cause_is_gone():
    stale = [Condition(Fault.COMMAND_STALE, 'no command')]
    safety = decide(Safety(), [], 0.0, LIMP_AFTER)
    for now, state in ((1.0, State.HOLD), (10.9, State.HOLD), (11.0, State.LIMP)):
        safety = decide(safety, stale, now, LIMP_AFTER)
        assert safety.state is state
    assert decide(safety, stale, 99.0, LIMP_AFTER).state is State.LIMP
    assert decide(safety, [], 99.0, LIMP_AFTER).state is State.RUN


def test_a_hold_interrupted_by_motion_begins_anew():
    stale = [Condition(Fault.COMMAND_STALE, 'no command')]
    safety = decide(decide(Safety(), [], 0.0, LIMP_AFTER), stale, 1.0, LIMP_AFTER)
    safety = decide(safety, [], 9.0, LIMP_AFTER)
    safety = decide(safety, stale, 10.0, LIMP_AFTER)
    assert decide(safety, stale, 12.0, LIMP_AFTER).state is State.HOLD


def test_an_emergency_stop_stays_until_it_is_cleared():
    stop = [Condition(Fault.EMERGENCY_STOP, 'a person asked')]
    safety = decide(Safety(), stop, 1.0, LIMP_AFTER)
    safety = decide(safety, [], 2.0, LIMP_AFTER)
    assert safety.state is State.STOP
    assert decide(clear(safety), [], 3.0, LIMP_AFTER).state is State.RUN
    assert decide(clear(safety), stop, 3.0, LIMP_AFTER).state is State.STOP


@given(st.lists(conditions), st.permutations(range(6)))
def test_the_order_of_faults_does_not_matter(found, order):
    found = (found * 6)[:6]
    one = decide(Safety(), found, 1.0, LIMP_AFTER)
    other = decide(Safety(), [found[k] for k in order if k < len(found)], 1.0, LIMP_AFTER)
    assert one.state is other.state


class SafetyMachine(RuleBasedStateMachine):
    """Faults come and go, a person clears, time passes."""

    @initialize()
    def start(self) -> None:
        self.now = 0.0
        self.present: set[Condition] = set()
        self.safety = Safety()
        self.latched: set[Fault] = set()
        self.held = 0.0
        self.step()

    @rule(condition=conditions)
    def fault_comes(self, condition: Condition) -> None:
        self.present.add(condition)
        self.step()

    @rule(fault=st.sampled_from(Fault))
    def fault_goes(self, fault: Fault) -> None:
        self.present = {c for c in self.present if c.fault is not fault}
        self.step()

    @rule(dt=st.floats(0.0, 20.0))
    def time_passes(self, dt: float) -> None:
        self.now += dt
        self.step()

    @rule()
    def a_person_clears(self) -> None:
        self.safety = clear(self.safety)
        self.latched = set()
        self.step()

    def step(self) -> None:
        before = self.safety
        self.safety = decide(before, self.present, self.now, LIMP_AFTER)
        self.latched |= {c.fault for c in self.present if FAULTS[c.fault].latched}
        was, now = before.state <= State.DEGRADED, self.safety.state <= State.DEGRADED
        assert self.safety.interruptions == before.interruptions + (was and not now)
        if self.safety.state is before.state:
            assert self.safety.since == before.since
        else:
            assert self.safety.since == self.now

    @invariant()
    def the_most_severe_fault_decides(self) -> None:
        demands = [FAULTS[c.fault].state for c in self.present]
        demands += [FAULTS[fault].state for fault in self.latched]
        worst = max(demands, default=State.RUN)
        assert self.safety.state >= worst
        if self.safety.state > worst:
            assert (worst, self.safety.state) == (State.HOLD, State.LIMP)
            assert self.now - self.safety.held_since >= LIMP_AFTER
        assert {c.fault for c in self.safety.latched} == self.latched
        assert (self.safety.cause is None) == (self.safety.state is State.RUN)
        if self.safety.held_since is not None and self.safety.state is State.HOLD:
            assert self.now - self.safety.held_since < LIMP_AFTER


TestSafetyMachine = SafetyMachine.TestCase
TestSafetyMachine.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
