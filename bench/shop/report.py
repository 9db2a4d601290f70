"""Write what happened as one HTML page that needs no other file and no network."""

from __future__ import annotations

import base64
from collections import Counter
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from statistics import median, quantiles
from string import Template

from bench.shop.chart import draw
from bench.shop.diary import Diary, Visit

PAGE, STYLE = (Path(__file__).with_name(f"report.{kind}") for kind in ("html", "css"))
DAY_S = 86_400.0
SHOWN = 12  # visits whose pictures are shown
SAID = {"unknown": "&ldquo;I don&rsquo;t know this one&rdquo;", "missed": "no answer"}
LEGEND = (
    ('<circle class="right" cx="7" cy="7" r="5.5"/>', "the right item"),
    ('<circle class="unknown" cx="7" cy="7" r="5"/>', SAID["unknown"]),
    ('<circle class="wrong" cx="7" cy="7" r="5.5"/>', "another item"),
    ('<path class="kill" d="M2 2l10 10m-10 0l10 -10"/>', "the appliance is killed"),
    ('<path class="kill sync" d="M3 3l8 8m-8 0l8 -8"/>', "the link&rsquo;s process is killed"),
    ('<rect class="night" width="14" height="14" rx="3"/>', "closed"),
)


def write(diary: Diary, target: Path) -> None:
    """Write the report."""
    target.write_text(render(diary), encoding="utf-8")


def render(diary: Diary) -> str:
    """The report as HTML."""
    lesson = _telling(diary.lesson)
    return Template(PAGE.read_text()).substitute(
        style=STYLE.read_text(),
        kills=len(diary.kills),
        tiles=_tiles(diary),
        chart=draw(diary),
        legend="".join(_legend(*entry) for entry in LEGEND),
        new=escape(diary.lesson[0].title if diary.lesson else ""),
        lesson="".join(_look(diary, visit, lesson=True) for visit in lesson),
        sentence=_sentence(diary),
        looks="".join(_look(diary, visit) for visit in _chosen(diary)),
        tables=_tables(diary),
        date=f"{datetime.now(UTC):%-d %B %Y}",
        seconds=f"{diary.figures.get('seconds', 0):.0f}",
    )


def back_s(diary: Diary) -> list[float]:
    """Seconds from each kill of an appliance to its next answer."""
    return [kill.back_s for kill in diary.kills if kill.back_s is not None]


def answer_s(diary: Diary) -> list[float]:
    """Seconds from each thing's rest to the first answer."""
    return sorted(visit.seconds for visit in diary.visits if visit.seconds is not None)


def _tiles(diary: Diary) -> str:
    outcomes = Counter(visit.outcome for visit in diary.visits if visit.known)
    late, back, figures = answer_s(diary), back_s(diary), diary.figures
    tiles = [
        (
            f"{outcomes['right']}<small> of {outcomes.total()}</small>",
            "things that a kiosk could know were named right",
        ),
        (f"{_middle(late):.1f}<small> s</small>", "from rest to answer, the middle visit"),
        (
            f"{len(diary.kills)}<small> kills</small>",
            f"a kiosk answered again after {max(back, default=0):.1f} s at most",
        ),
        (
            f"{figures.get('lost', 0):.0f}<small> of {figures.get('reports', 0):,.0f}</small>",
            "reports were lost",
        ),
        ("24<small> h</small>", "without a link, and no visitor noticed"),
    ]
    return "".join(
        f'<div class="tile"><b>{number}</b><span>{words}</span></div>' for number, words in tiles
    )


def _legend(mark: str, words: str) -> str:
    return f'<li><svg viewBox="0 0 14 14" aria-hidden="true">{mark}</svg>{words}</li>'


def _telling(lesson: list[Visit]) -> list[Visit]:
    """For each kiosk the first visit, and the first in which it answered right."""
    chosen = []
    for kiosk in (0, 1):
        visits = [visit for visit in lesson if visit.kiosk == kiosk]
        chosen += visits[:1]
        chosen += [visit for visit in visits[1:] if visit.outcome == "right"][:1]
    return chosen


def _sentence(diary: Diary) -> str:
    own = Counter(visit.outcome for visit in diary.visits if visit.known)
    foreign = Counter(visit.outcome for visit in diary.visits if not visit.known)
    words = (
        f"{len(diary.visits)} visits. Of {own.total()} things that a kiosk could know it named "
        f"{own['right']} right and {own['wrong']} as something else; of {own['unknown']} it said "
        "that it does not know them."
    )
    if own["missed"]:
        words += f" {own['missed']} had no answer in time."
    return words + (
        f" Of {foreign.total()} things that it could not know it took {foreign['wrong']} for an "
        "item that it knows."
    )


def _chosen(diary: Diary) -> list[Visit]:
    """Visits spread over the time; every kind of answer is among them, where there was one."""
    visits = [visit for visit in diary.visits if visit not in diary.lesson]
    rare = [visit for visit in visits if visit.outcome in ("wrong", "missed")][:2]
    rare += [visit for visit in visits if visit.outcome == "unknown" and not visit.known][:2]
    rest = sorted((visit for visit in visits if visit not in rare), key=lambda visit: visit.at)
    step = max(1, len(rest) // max(1, SHOWN - len(rare))) | 1  # odd, so that both shops are seen
    chosen = (rare + rest[::step])[:SHOWN]
    return sorted(chosen, key=lambda visit: visit.at)


def _look(diary: Diary, visit: Visit, *, lesson: bool = False) -> str:
    said = SAID.get(visit.outcome) or escape(visit.words)
    mark = "" if visit.outcome == "right" else f" {visit.outcome}"
    truth = ""
    if lesson and visit.outcome == "right":
        truth = "Its staff have taught it." if visit.kiosk == 0 else "Nobody has taught it here."
    elif visit.outcome != "right":
        truth = f"It was {escape(visit.title)}."
    truth = f'<span class="truth">{truth}</span>' if truth else ""
    day = 1 + int((visit.at - diary.start) // DAY_S)
    when = f"Shop {visit.kiosk + 1}, day {day}, {datetime.fromtimestamp(visit.at, UTC):%H:%M}"
    picture = base64.b64encode(visit.picture).decode()
    return (
        f'<li class="look"><img src="data:image/jpeg;base64,{picture}" '
        f'alt="{escape(visit.title)} on a counter"><div><span class="when">{when}</span>'
        f'<span class="said{mark}">{said}</span>{truth}</div></li>'
    )


def _tables(diary: Diary) -> str:
    late, back, figures = answer_s(diary), back_s(diary), diary.figures
    nineteen = quantiles(late, n=20)[-1] if len(late) > 1 else _middle(late)
    waiting = max((sample.waiting for sample in diary.samples), default=0)
    left = [
        ("from rest to answer, median", f"{_middle(late):.2f} s"),
        ("from rest to answer, 95 %", f"{nineteen:.2f} s"),
        ("after a kill, answering again: median", f"{_middle(back):.1f} s"),
        ("after a kill, answering again: longest", f"{max(back, default=0):.1f} s"),
        ("memory of a kiosk&rsquo;s appliance, most", f"{figures.get('rss', 0) / 1e6:.0f} MB"),
    ]
    right = [
        ("reports that arrived", f"{figures.get('reports', 0):,.0f}"),
        ("reports that were lost", f"{figures.get('lost', 0):.0f}"),
        ("most reports that waited in a shop", f"{waiting}"),
        ("the second catalogue", f"{figures.get('bundle', 0) / 1e6:.1f} MB"),
        (
            "what shop 2 fetched of it, after its day offline",
            f"{figures.get('fetched', 0) / 1e6:.1f} MB",
        ),
    ]
    return _table(left) + _table(right)


def _table(rows: list[tuple[str, str]]) -> str:
    lines = (f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows)
    return f"<table>{''.join(lines)}</table>"


def _middle(figures: list[float]) -> float:
    return median(figures) if figures else 0.0
