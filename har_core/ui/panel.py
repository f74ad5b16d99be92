"""What stands beside the live picture: who does what, the last minute, and how the stream fares.

One block of HTML, drawn anew twice a second: lighter than charts, and nothing flickers or moves.
"""

from collections.abc import Iterable
from html import escape

from har_core.drawing import colour_of
from har_core.values import LiveView, Numbers, Reading, Segment

SHOWN_SECONDS = 60.0
_NARROW = 0.05
MOST_PEOPLE = 8
"""People who get a card; the picture shows the rest too."""
_STAGES = {"detect": "Finding people", "encode": "Reading pictures", "classify": "Naming actions", "draw": "Drawing"}
_STYLE = """<style>
.har-live { --line: color-mix(in srgb, currentColor 14%, transparent); font-variant-numeric: tabular-nums;
  line-height: 1.35; }
.har-live .card { border: 1px solid var(--line); border-left: 0.3rem solid var(--who); border-radius: 0.6rem;
  padding: 0.5rem 0.8rem 0.6rem; margin-bottom: 0.5rem; box-sizing: border-box;
  min-height: calc(3.1rem + var(--rows, 0) * 1.36rem); }
.har-live .head { display: flex; gap: 0.5rem; align-items: baseline; min-height: 1.8rem; }
.har-live .chip { background: var(--who); color: var(--ink); border-radius: 0.35rem; padding: 0 0.45rem;
  font-size: 0.85rem; font-weight: 600; white-space: nowrap; }
.har-live .name { font-size: 1.15rem; font-weight: 600; flex: 1; min-width: 0; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.har-live .quiet { opacity: 0.65; font-weight: 400; }
.har-live .row { display: grid; grid-template-columns: minmax(0, 1fr) 3.2rem; gap: 0.5rem; font-size: 0.85rem;
  margin-top: 0.2rem; }
.har-live .bar { position: relative; border-radius: 0.3rem; background: var(--line); overflow: hidden; }
.har-live .bar i { position: absolute; inset: 0 auto 0 0; background: var(--who); opacity: 0.55; }
.har-live .bar span { position: relative; display: block; padding: 0 0.45rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.har-live .bar.thin { height: 0.4rem; margin: 0.45rem 0 0.2rem; }
.har-live .row b { text-align: right; font-weight: 400; }
.har-live .time { margin-top: 0.8rem; }
.har-live .time p { margin: 0 0 0.25rem; font-size: 0.85rem; opacity: 0.7; }
.har-live .lane { display: grid; grid-template-columns: 3.2rem minmax(0, 1fr); gap: 0.5rem; align-items: center;
  margin-bottom: 0.25rem; font-size: 0.8rem; }
.har-live .track { position: relative; height: 1.5rem; border-radius: 0.3rem; background: var(--line);
  overflow: hidden; }
.har-live .track span { position: absolute; top: 0; bottom: 0; background: var(--who); color: var(--ink);
  border-right: 1px solid rgb(0 0 0 / 45%); padding: 0 0.3rem; line-height: 1.5rem; overflow: hidden;
  white-space: nowrap; text-overflow: ellipsis; box-sizing: border-box; }
.har-live .axis { display: flex; justify-content: space-between; font-size: 0.75rem; opacity: 0.6;
  margin-left: 3.7rem; }
.har-live .facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.4rem, 1fr));
  gap: 0.5rem 1rem; }
.har-live .facts small { font-size: 0.8rem; opacity: 0.7; }
.har-live .facts b { display: block; font-size: 1.05rem; font-weight: 400; white-space: nowrap; }
</style>"""


def people(view: LiveView, segments: Iterable[Segment], *, top: int) -> str:
    """A card for each person (or the whole picture) with the `top` most probable actions, and the last minute."""
    readings: list[tuple[int | None, Reading]] = [(who, view.people[who]) for who in sorted(view.people)]
    if view.whole is not None:
        readings = [(None, view.whole), *readings]
    cards = [_card(who, reading, top) for who, reading in readings[:MOST_PEOPLE]]
    if len(readings) > MOST_PEOPLE:
        cards.append(f'<p class="quiet">and {len(readings) - MOST_PEOPLE} more in the picture</p>')
    if not readings:
        cards.append('<div class="card" style="--who:var(--line)"><div class="head"><span class="name quiet">'
                     "Nobody is in the picture</span></div></div>")  # fmt: skip
    # Room for all the bars from the start: what stands below must not move when they come.
    return f'{_STYLE}<div class="har-live" style="--rows:{top}">{"".join(cards)}{_timeline(view, list(segments))}</div>'


def numbers(view: LiveView) -> str:
    """How the stream fares."""
    n: Numbers = view.numbers
    values = {
        "Camera": f"{n.frames_in_per_second:.1f} fps",
        "Shown": f"{n.frames_per_second:.1f} fps",
        "Delay, usually": f"{n.latency[0]:.0f} ms",
        "Delay, 1 in 20": f"{n.latency[1]:.0f} ms",
        **{name: f"{n.milliseconds[stage][0]:.1f} ms" for stage, name in _STAGES.items() if stage in n.milliseconds},
        "Frames left out": f"{n.dropped} of {n.frames + n.dropped}",
    }
    if view.whole is None:
        values["People"] = str(len(view.tracks))
    rows = "".join(f"<div><small>{name}</small><b>{value}</b></div>" for name, value in values.items())
    return f'{_STYLE}<div class="har-live"><div class="facts">{rows}</div></div>'


def _card(who: int | None, reading: Reading, top: int) -> str:
    chip = "Picture" if who is None else f"#{who}"
    if reading.stage == "collecting":
        share = f"{100 * reading.collected:.0f}"
        body = f'<div class="bar thin"><i style="width:{share}%"></i></div>'
        name = '<span class="name quiet">collecting ...</span>'
    elif reading.stage == "unsure":
        name, body = '<span class="name quiet">unsure</span>', ""
    else:
        name = f'<span class="name">{escape(reading.action)}</span><span>{100 * reading.probability:.0f}%</span>'
        body = ""
    bars = reading.prediction.top(top) if reading.prediction is not None else []
    body += "".join(
        f'<div class="row"><div class="bar"><i style="width:{100 * p:.1f}%"></i><span>{escape(action)}</span></div>'
        f"<b>{100 * p:.1f}%</b></div>"
        for action, p in bars
    )
    head = f'<div class="head"><span class="chip">{chip}</span>{name}</div>'
    return f'<div class="card" style="{_colours(who)}">{head}{body}</div>'


def _timeline(view: LiveView, segments: list[Segment]) -> str:
    """A lane for each person; the right edge is now."""
    begin = view.seconds - SHOWN_SECONDS
    shown = [s for s in segments if s.stop > begin]
    order = sorted({s.track for s in shown}, key=lambda who: who or 0)
    # Those who are in the picture first where there are too many.
    order.sort(key=lambda who: who is not None and who not in view.people)
    lanes = []
    for who in order[:MOST_PEOPLE]:
        blocks = "".join(_block(s, begin) for s in shown if s.track == who)
        chip = "Picture" if who is None else f"#{who}"
        lanes.append(f'<div class="lane" style="{_colours(who)}">{chip}<div class="track">{blocks}</div></div>')
    if not lanes:
        lanes.append('<div class="lane">&nbsp;<div class="track"></div></div>')
    axis = '<div class="axis"><span>60 s ago</span><span>30 s ago</span><span>now</span></div>'
    return f'<div class="time"><p>The last minute</p>{"".join(lanes)}{axis}</div>'


def _block(s: Segment, begin: float) -> str:
    left = max(0.0, (s.start - begin) / SHOWN_SECONDS)
    width = min(1.0, (s.stop - begin) / SHOWN_SECONDS) - left
    said = f"{escape(s.action, quote=True)}, {s.stop - s.start:.1f} s, {100 * s.score:.0f}%"
    strength = 60 + 40 * min(1.0, max(0.0, s.score))  # how sure it was; fainter ones could not be read
    paint = f"background:color-mix(in srgb,var(--who) {strength:.0f}%,transparent)"
    style = f"left:{100 * left:.2f}%;width:{100 * width:.2f}%;{paint}"
    name = escape(s.action) if width > _NARROW else ""
    return f'<span title="{said}" style="{style}">{name}</span>'


def _colours(who: int | None) -> str:
    red, green, blue = colour_of(1 if who is None else who)
    ink = "#111" if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else "#fff"
    return f"--who:rgb({red} {green} {blue});--ink:{ink}"
