"""Draw the three days as one picture: what each shop was shown, what was killed, what waited."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from bench.shop.diary import Diary, Sample

WIDTH, LEFT, RIGHT = 1120, 92, 16
LANE, TOP, GAP = 178, 34, 26  # height of a shop's lane, of the hours above, between two lanes
VISITS, KILLS, WAITING, VERSION = 34, 66, 132, 152  # where each row lies in a lane
BAR = 10  # height of the catalogue's bar
HOUR_S = 3600.0


def draw(diary: Diary) -> str:
    """Draw the whole time as SVG."""
    height = TOP + 2 * LANE + GAP + 8
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="The three days in both shops: '
        'visits, kills, reports that waited, and the catalogue in use">',
        *_hours(diary, height),
    ]
    for kiosk in (0, 1):
        parts += _lane(diary, kiosk, TOP + kiosk * (LANE + GAP))
    return "\n".join([*parts, "</svg>"])


def _x(diary: Diary, at: float) -> float:
    share = (at - diary.start) / (diary.end - diary.start)
    return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)


def _hours(diary: Diary, height: int) -> list[str]:
    """Nights in grey, and the hour at every sixth hour."""
    parts = []
    opens, closes = diary.opening
    bottom = height - 8
    for day in range(3):
        closed = diary.start + (24 * day + closes - opens) * HOUR_S
        left, right = _x(diary, closed), _x(diary, closed + (24 - closes + opens) * HOUR_S)
        parts.append(
            f'<rect class="night" x="{left}" y="{TOP - 8}" width="{right - left:.1f}" '
            f'height="{bottom - TOP + 8}" rx="6"/>'
        )
        middle = _x(diary, diary.start + (24 * day + (closes - opens) / 2) * HOUR_S)
        parts.append(f'<text class="day" x="{middle}" y="14">Day {day + 1}</text>')
    for step in range(0, 73, 6):
        at = diary.start + step * HOUR_S
        hour = datetime.fromtimestamp(at, UTC).hour
        if hour % 12 == 8 or step in (0, 72):
            anchor = "end" if step == 72 else "middle"
            parts.append(
                f'<text class="hour" x="{_x(diary, at)}" y="14" text-anchor="{anchor}">'
                f"{hour:02d}:00</text>"
            )
    return parts


def _lane(diary: Diary, kiosk: int, top: float) -> list[str]:
    right = WIDTH - RIGHT
    rows = (
        ("visits", VISITS),
        ("kills", KILLS),
        ("waiting", WAITING - 18),
        ("catalogue", VERSION + BAR),
    )
    parts = [f'<text class="shop" x="0" y="{top + 10}">Shop {kiosk + 1}</text>']
    parts += [
        f'<text class="row" x="{LEFT - 12}" y="{top + y + 4}" text-anchor="end">{name}</text>'
        for name, y in rows
    ]
    if kiosk == 1 and diary.offline[1] > diary.offline[0]:
        left, end = (_x(diary, at) for at in diary.offline)
        parts += [
            f'<rect class="away" x="{left}" y="{top + 6}" width="{end - left:.1f}" '
            f'height="{LANE - 4}" rx="6"/>',
            f'<text class="away-words" x="{(left + end) / 2:.1f}" y="{top + 20}">'
            "no link for a day</text>",
        ]
    parts.append(
        f'<line class="base" x1="{LEFT}" x2="{right}" y1="{top + WAITING}" y2="{top + WAITING}"/>'
    )
    parts += _waiting(diary, kiosk, top)
    parts += _versions(diary, kiosk, top)
    for visit in diary.visits:
        if visit.kiosk == kiosk:
            x, y = _x(diary, visit.at), top + VISITS
            parts.append(f'<circle class="{visit.outcome}" cx="{x}" cy="{y}" r="5.5"/>')
    for kill in diary.kills:
        if kill.kiosk == kiosk:
            x, y, arm = _x(diary, kill.at), top + KILLS, 5 if kill.part == "edge" else 3.5
            parts.append(
                f'<path class="kill {kill.part}" d="M{x - arm} {y - arm}l{2 * arm} {2 * arm}'
                f'm{-2 * arm} 0l{2 * arm} {-2 * arm}"/>'
            )
    return parts


def _waiting(diary: Diary, kiosk: int, top: float) -> list[str]:
    """How many reports waited, as an area."""
    samples = [sample for sample in diary.samples if sample.kiosk == kiosk]
    most = max([sample.waiting for sample in diary.samples], default=0) or 1
    base, tall = top + WAITING, 42.0

    def y(sample: Sample) -> float:
        return round(base - tall * sample.waiting / most, 1)

    if not samples:
        return []
    steps = [f"M{_x(diary, samples[0].at)} {base}V{y(samples[0])}"]
    steps += [f"H{_x(diary, after.at)}V{y(after)}" for _, after in pairwise(samples)]
    parts = [f'<path class="area" d="{"".join(steps)}V{base}Z"/>']
    highest = max(samples, key=lambda sample: sample.waiting)
    if highest.waiting > most / 2:
        parts.append(
            f'<text class="figure" x="{_x(diary, highest.at)}" y="{y(highest) - 7}" '
            f'text-anchor="end">{highest.waiting} reports wait</text>'
        )
    return parts


def _versions(diary: Diary, kiosk: int, top: float) -> list[str]:
    """Which catalogue was in use, as a bar for each."""
    samples = [sample for sample in diary.samples if sample.kiosk == kiosk and sample.bundle]
    order = list(
        dict.fromkeys(sample.bundle for sample in sorted(diary.samples, key=_at) if sample.bundle)
    )
    changes: list[tuple[float, str]] = []
    for sample in samples:
        if not changes or changes[-1][1] != sample.bundle:
            changes.append((sample.at if changes else diary.start, sample.bundle))
    parts = []
    for (begin, bundle), (end, _) in pairwise([*changes, (diary.end, "")]):
        left, right, y = _x(diary, begin), _x(diary, end), top + VERSION
        number = order.index(bundle) + 1
        words = f"catalogue {number}"
        parts += [
            f'<rect class="version v{number}" x="{left + 1}" y="{y}" '
            f'width="{right - left - 2:.1f}" height="{2 * BAR}" rx="4"/>',
            f'<text class="in-version v{number}" x="{left + 10}" y="{y + 14}">{words}</text>',
        ]
    return parts


def _at(sample: Sample) -> float:
    return sample.at
