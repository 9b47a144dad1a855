# SPDX-License-Identifier: Apache-2.0
"""The time line of the night: a table and a plot over the hours of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from r3l_bringup.report_night import Episode, Night, Span, step_of_wall, SUCCESS
from r3l_node.core.status import duration

TIME_LINE = 'time_line.png'
_MOST_ROWS = 16
_WIDTHS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)  # [s]
_SHORTEST = 60.0  # [s]: a shorter run has no night to tell about
_MOST_LISTED = 12


@dataclass(slots=True)
class Part:
    """What happened within one row of the table; None: nothing is known about it."""

    begin: float  # [s] of the run
    end: float
    steps: tuple[int, int] = (0, 0)
    tries: int = 0
    successes: int = 0
    deployed: float | None = None
    rate: float | None = None  # [Hz]
    phases: dict[str, float] = field(default_factory=dict)  # shares of the time
    held: float = 0.0  # [s]
    holds: int = 0
    deaths: int = 0
    interventions: int = 0
    covered: tuple[float, float] | None = None  # share of the bins so far, evenness since

    @property
    def hours(self) -> float:
        """Length [h]."""
        return (self.end - self.begin) / 3600.0


def parts_of(night: Night) -> list[Part]:
    """Cut a night into at most sixteen equal parts of a round length."""
    width = next((w for w in _WIDTHS if night.wall_s <= w * _MOST_ROWS), _WIDTHS[-1])
    parts = []
    begin = 0.0
    while begin < night.wall_s:
        end = min(begin + width, night.wall_s)
        # A last part of a few seconds would have absurd figures per hour.
        if night.wall_s - end < 0.1 * width:
            end = night.wall_s
        parts.append(_part(night, begin, end))
        begin = end
    return parts


def _part(night: Night, begin: float, end: float) -> Part:
    def within(moment: float | None) -> bool:
        return moment is not None and (begin < moment <= end or moment == begin == 0.0)

    tried = [one for one in night.episodes if one.kind == 'task' and within(one.wall_s)]
    rates = [rate for moment, rate in night.rates if within(moment)]
    deployed = [one[1] for one in night.evaluations if within(one[0]) and one[1] is not None]
    covered = [(ever, even) for moment, even, ever in night.coverage if moment <= end]
    return Part(
        begin=begin,
        end=end,
        steps=(round(step_of_wall(night, begin)), round(step_of_wall(night, end))),
        tries=len(tried),
        successes=sum(one.probability > SUCCESS for one in tried),
        deployed=deployed[-1] if deployed else None,
        rate=sum(rates) / len(rates) if rates else None,
        phases=_shares(night.phases, begin, end),
        held=sum(_overlap(one, begin, end) for one in night.held),
        holds=sum(within(one.begin) for one in night.held),
        deaths=sum(within(one.wall_s) for one in night.deaths),
        interventions=sum(within(one.wall_s) for one in night.interventions),
        covered=covered[-1] if covered else None,
    )


def _overlap(span: Span, begin: float, end: float) -> float:
    return max(0.0, min(span.end, end) - max(span.begin, begin))


def _shares(spans: Iterable[Span], begin: float, end: float) -> dict[str, float]:
    """Return the share of the time of every phase; what nothing is known about is left out."""
    found: Counter[str] = Counter()
    for span in spans:
        seconds = _overlap(span, begin, end)
        if seconds > 0.0:
            found[span.name] += seconds  # type: ignore[assignment]
    return {name: seconds / (end - begin) for name, seconds in found.most_common()}


def time_line(night: Night, run: Path) -> list[str]:
    """
    Draw the plot into the run.

    :return: the section of the report; empty of a run too short to have one.
    """
    if night.wall_s < _SHORTEST or not (night.steps or night.held or night.deaths):
        return []
    from r3l_bringup.report_plot import draw

    parts = parts_of(night)
    draw(night, parts, run / TIME_LINE)
    return [
        '## Time line of the night',
        '',
        *_head(night),
        f'![Time line]({TIME_LINE})',
        '',
        *_table(night, parts),
        '',
        *_notes(night),
        *_events(night),
    ]


def _head(night: Night) -> Iterable[str]:
    tried = [one for one in night.episodes if one.kind == 'task']
    sentences = []
    if night.clock.known:
        sentences.append(f'From {night.clock.day(0.0)} to {night.clock.day(night.wall_s)}.')
        starts = len(night.clock.anchors)
        if starts > 1:
            sentences.append(f'Started {starts} times; the time between is left out.')
    if tried:
        good = sum(one.probability > SUCCESS for one in tried)
        at = 'at their end' if night.at_end else 'on average (their ends were not recorded)'
        sentences.append(
            f'**{good} of {len(tried)} task episodes** looked like a success to the classifier '
            f'{at} (p > {SUCCESS:g}): {_course(tried)}'
        )
    held = sum(one.end - one.begin for one in night.held)
    if night.held:
        sentences.append(f'The hand was held {len(night.held)} times, {duration(held)} in all.')
    if sentences:
        yield from (' '.join(sentences), '')


def _course(tried: Sequence[Episode]) -> str:
    """Return one sentence about how it went from the first to the last quarter."""
    quarter = max(1, len(tried) // 4)

    def share(episodes: Sequence[Episode]) -> float:
        return sum(one.probability > SUCCESS for one in episodes) / len(episodes)

    first, last = share(tried[:quarter]), share(tried[-quarter:])
    return f'{first:.0%} in the first quarter, {last:.0%} in the last.'


Column = tuple[str, Callable[[Part], str], bool]


def _table(night: Night, parts: Sequence[Part]) -> Iterable[str]:
    """Return the rows; a column of which nothing is known is left out."""
    columns: list[Column] = [
        ('From', lambda p: night.clock.text(p.begin), True),
        ('Env steps', lambda p: str(p.steps[1] - p.steps[0]), bool(night.steps)),
        ('Task episodes', lambda p: str(p.tries), bool(night.episodes)),
        ('Successes', lambda p: str(p.successes), bool(night.episodes)),
        ('per hour', lambda p: f'{p.successes / p.hours:.0f}', bool(night.episodes)),
        ('Deployed', lambda p: _percent(p.deployed), any(p.deployed is not None for p in parts)),
        ('Rate [Hz]', lambda p: '-' if p.rate is None else f'{p.rate:.1f}', bool(night.rates)),
        ('Covered (evenly)', lambda p: _covered(p.covered), bool(night.coverage)),
        ('Held', lambda p: f'{p.holds}x, {p.held:.0f} s' if p.holds or p.held else '-',
         bool(night.held)),
        ('Deaths', lambda p: str(p.deaths or '-'), bool(night.deaths)),
        ('Interventions', lambda p: str(p.interventions or '-'), bool(night.interventions)),
        ('Phases (share of the time)', lambda p: _words(p.phases), bool(night.phases)),
    ]  # fmt: skip
    shown = [(name, text) for name, text, known in columns if known]
    yield '| ' + ' | '.join(name for name, _ in shown) + ' |'
    yield '|---' * len(shown) + '|'
    for part in parts:
        yield '| ' + ' | '.join(text(part) for _, text in shown) + ' |'


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{value:.0%}'


def _covered(value: tuple[float, float] | None) -> str:
    return '-' if value is None else f'{value[0]:.0%} ({value[1]:.0%})'


def _words(phases: dict[str, float]) -> str:
    named = [f'{name} {share:.0%}' for name, share in phases.items() if share >= 0.005]
    return ', '.join(named) or '-'


def _notes(night: Night) -> Iterable[str]:
    notes = list(night.notes)
    if night.untimed_holds:
        notes.append(
            f'{night.untimed_holds} times the hand was held at a time that was not recorded; '
            'they are counted under Faults.'
        )
    if not night.clock.known:
        notes.append('The time of day is not known: times count from the start.')
    for note in notes:
        yield from (note, '')


def _events(night: Night) -> Iterable[str]:
    """List the single events if they are few enough to be read."""
    longest = sorted(night.held, key=lambda one: one.begin - one.end)[:_MOST_LISTED]
    rows: list[tuple[float, str]] = [
        *((one.begin, f'held for {one.end - one.begin:.1f} s: {one.name}') for one in longest),
        *((one.wall_s or 0.0, f'{one.name} died') for one in night.deaths[:_MOST_LISTED]),
        *((one.wall_s or 0.0, f'intervention: {one.name}')
          for one in night.interventions[:_MOST_LISTED]),
    ]  # fmt: skip
    if not rows:
        return
    rest = len(night.held) - len(longest)
    yield '| When | What |' if rest <= 0 else f'| When | What (the {_MOST_LISTED} longest holds) |'
    yield '|---|---|'
    for moment, what in sorted(rows):
        yield f'| {night.clock.text(moment)} | {what} |'
    yield ''
