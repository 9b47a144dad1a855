# SPDX-License-Identifier: Apache-2.0
"""Faults of the driver: what is commanded meanwhile, and what is never learned from."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from r3l_agent.core.agent_config import AgentConfig
from r3l_agent.core.alternation import Alternation
from r3l_agent.core.decision import Decision, Observation, Phase, Step
from r3l_agent.core.replay.buffer import Replay, Row
from r3l_agent.core.safety import DriverState, SafetyGate

PERIOD = 200_000_000
CONFIG = AgentConfig(
    steps=1000, warmup_steps=1000, episode_steps=4, homing_steps=2, lockstep=False, driver=True
)
RUN = DriverState(True)
HOLD = DriverState(False, 'bus_timeout', 'servo 21 is silent', interruptions=1)


def stamp(k: float) -> int:
    return 1 + round(k * PERIOD)


def observe(alternation: Alternation, k: int) -> Decision:
    return alternation.observe(Observation(stamp(k), np.zeros(9), np.zeros(0, np.float32), 0))


def acting(config: AgentConfig = CONFIG, count: int = 5) -> tuple[Alternation, list[Decision]]:
    """An agent that has homed and is in the middle of its first episode."""
    alternation = Alternation(config)
    alternation.note_driver(RUN)
    return alternation, [observe(alternation, k) for k in range(count)]


def test_nothing_is_commanded_before_the_driver_has_said_its_state() -> None:
    for lockstep in (False, True):
        alternation = Alternation(replace(CONFIG, lockstep=lockstep))
        decision = observe(alternation, 0)
        assert (decision.phase, decision.target) == (Phase.PAUSED, None)
        assert 'waits for the driver' in decision.reason
        assert alternation.note_driver(RUN) == []
        assert observe(alternation, 0).phase == Phase.HOMING


def test_a_graph_without_a_driver_waits_for_none() -> None:
    assert observe(Alternation(replace(CONFIG, driver=False)), 0).phase == Phase.HOMING


def test_a_fault_ends_the_episode_and_a_new_one_follows_by_itself_after_homing() -> None:
    alternation, before = acting()
    assert before[-1].phase == Phase.WARM_UP
    alternation.note_driver(replace(HOLD, since=stamp(4.5)))
    paused = [observe(alternation, k) for k in range(5, 9)]
    for decision in paused:
        assert (decision.phase, decision.target, decision.step) == (Phase.PAUSED, None, None)
        assert decision.reason == 'bus_timeout: servo 21 is silent'
    alternation.note_driver(replace(RUN, interruptions=1, since=stamp(8.5)))
    after = [observe(alternation, k) for k in range(9, 13)]
    assert [d.phase for d in after] == [Phase.HOMING] * 2 + [Phase.WARM_UP] * 2
    assert alternation.interrupted == 1
    first, second = after[2].step, after[3].step
    assert first is not None
    assert second is not None
    assert (first.first, first.interrupted, second.interrupted) == (True, True, False)
    assert first.episode == 1
    assert first.sequence == before[-1].step.sequence + 1


def test_degraded_is_as_good_as_run() -> None:
    alternation, _ = acting()
    assert alternation.note_driver(DriverState(True, 'temperature_warning', 'warm')) == []
    assert observe(alternation, 5).step is not None


def test_a_fault_that_came_and_went_unseen_ends_the_episode_too() -> None:
    alternation, _ = acting()
    alternation.note_driver(replace(RUN, interruptions=1, since=stamp(4.5)))
    assert observe(alternation, 5).phase == Phase.HOMING
    assert alternation.interrupted == 1


def test_the_same_state_again_changes_nothing() -> None:
    alternation, _ = acting()
    for k in range(5, 7):
        assert alternation.note_driver(RUN) == []
        assert observe(alternation, k).step is not None


@pytest.mark.parametrize('code', ['command_stale', 'command_invalid'])
def test_a_fault_that_only_commands_end_is_answered_with_home(code: str) -> None:
    alternation, _ = acting()
    alternation.note_driver(replace(HOLD, code=code))
    decision = observe(alternation, 5)
    assert (decision.phase, decision.step) == (Phase.PAUSED, None)
    assert np.array_equal(decision.target, CONFIG.home)


def test_in_lockstep_time_goes_on_while_paused_and_no_old_command_is_repeated() -> None:
    alternation, before = acting(replace(CONFIG, lockstep=True))
    assert not np.array_equal(before[-1].target, CONFIG.home)
    alternation.note_driver(HOLD)
    again = observe(alternation, 4)
    assert (again.phase, again.step) == (Phase.PAUSED, None)
    assert np.array_equal(again.target, CONFIG.home)
    assert observe(alternation, 5).phase == Phase.PAUSED


def test_a_late_notice_names_the_steps_that_it_has_spoilt() -> None:
    alternation, before = acting(count=6)
    told = [d.step.sequence for d in before if d.step is not None]
    assert told == [0, 1, 2, 3]
    # The hand stopped between observations 3 and 4, and the period before is not trusted.
    assert alternation.note_driver(replace(HOLD, since=stamp(3.5))) == [1, 2, 3]
    assert alternation.note_driver(replace(HOLD, since=stamp(3.5))) == []


def test_an_agent_that_is_done_stays_done() -> None:
    alternation, _ = acting(replace(CONFIG, steps=2), 8)
    assert alternation.phase == Phase.DONE
    alternation.note_driver(HOLD)
    decision = observe(alternation, 8)
    assert (decision.phase, decision.target) == (Phase.DONE, None)


def test_a_gate_that_nobody_needs_is_open() -> None:
    gate = SafetyGate(False, PERIOD)
    assert gate.known
    assert gate.reason == ''
    assert gate.spoilt() == []


def row(step: Step) -> Row:
    vector = np.zeros(2, np.float32)
    image, latent = np.zeros((8, 8, 3), np.uint8), np.zeros(3, np.float32)
    first = step.first or step.interrupted
    return Row(step.sequence, step.policy, first, step.last, image, vector, vector, vector, latent)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_transition_straddles_a_fault_however_late_the_notice(data: st.DataObject) -> None:
    """Faults begin and end at any time; what the replay then samples is free of them."""
    alternation = Alternation(replace(CONFIG, lockstep=data.draw(st.booleans())))
    alternation.note_driver(RUN)
    replay = Replay(None, 200, 8, 3, 2)
    at: dict[int, int] = {}
    faults: list[tuple[int, int]] = []
    notices: list[tuple[int, DriverState]] = []  # observation before which it comes, state
    length, busy_until = data.draw(st.integers(1, 60)), 0
    for k in range(length + 8):
        if busy_until <= k < length and data.draw(st.integers(0, 5)) == 0:
            begin = stamp(k + data.draw(st.floats(0, 0.99)))
            late, duration = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 4))
            busy_until = k + late + duration + 1
            faults.append((begin, stamp(busy_until - 0.5)))
            hold = replace(HOLD, since=begin, interruptions=len(faults))
            # Sometimes the notice comes when all is well again.
            seen = data.draw(st.booleans())
            notices += [(k + late, hold)] * seen + [(busy_until - 1, replace(hold, obeys=True))]
        for when, state in notices:
            if when == k:
                for sequence in alternation.note_driver(state):
                    replay.interrupt(sequence)
        decision = observe(alternation, k)
        if decision.step is not None:
            at[decision.step.sequence] = decision.stamp
            replay.append(row(decision.step))
    if not replay.transitions():
        return
    slots = replay.sample(np.random.default_rng(0), 300)
    sequences = replay.arrays['sequence'].astype(np.int64)
    for before, after in zip(sequences[slots], sequences[replay.following(slots)], strict=True):
        for begin, end in faults:
            assert not (at[before] < end and begin < at[after]), (before, after)


def test_steps_between_two_faults_are_still_learned_from() -> None:
    alternation, before = acting(count=20)
    alternation.note_driver(replace(HOLD, since=stamp(19.9)))
    steps = [d.step for d in before if d.step is not None]
    replay = Replay(None, 50, 8, 3, 2)
    for step in steps:
        replay.append(row(step))
    whole = sum(not a.last and not b.first for a, b in pairwise(steps))
    assert replay.transitions() == whole
