"""Analyses as files for other programs: CSV, JSON, WebVTT, ELAN, Label Studio. Text in, text out, no disk.

Every name comes from strangers: each format escapes what would mean something in it.
"""

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from har_core.lanes import Analysis, Lane
from har_core.values import Segment, is_nothing

COLUMNS = ("video", "person", "action", "start", "stop", "probability")
LABEL_STUDIO_VIDEOS = "/data/local-files/?d=videos/"
"""Where Label Studio finds a video: in the folder `videos` of what it may serve. By a name alone it finds none."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MIME = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".avi": "video/x-msvideo",
    ".mov": "video/quicktime", ".mkv": "video/x-matroska", ".mpg": "video/mpeg", ".mpeg": "video/mpeg",
}  # fmt: skip


def to_csv(analyses: Iterable[Analysis]) -> str:
    """One row for each segment: video, person (empty: the whole picture), action, start, stop (s), probability.

    Text that a spreadsheet would run as a formula gets an apostrophe before it, as OWASP advises.
    """
    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")  # RFC 4180
    rows.writeheader()
    for analysis in analyses:
        for row in analysis.table():
            rows.writerow({name: harmless(value) for name, value in row.items()})
    return text.getvalue()


def harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: such text gets an apostrophe before it; numbers stay.

    >>> harmless("=1+1"), harmless("  @x"), harmless(-1.5)
    ("'=1+1", "'  @x", -1.5)
    """
    runs = isinstance(value, str) and (value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA))
    return f"'{value}" if runs else value


def to_json(analyses: Iterable[Analysis], *, top: int = 5) -> str:
    """Everything in numbers that can be read: a list with an object for each video, its lanes and their segments.

    `top` actions are named for each lane; `moments` has the probabilities of all classes over time.
    """
    return json.dumps([_readable(analysis, top) for analysis in analyses], ensure_ascii=False, indent=1)


def _readable(analysis: Analysis, top: int) -> dict[str, Any]:
    return {
        "video": analysis.name,
        "seconds": analysis.properties.seconds,
        "frames_per_second": analysis.properties.frames_per_second,
        "size": [analysis.properties.width, analysis.properties.height],
        "model": analysis.model,
        "classes": list(analysis.classes),
        "unsure_below": analysis.unsure_below,
        "damage": analysis.damage,
        "note": analysis.note,
        "lanes": [
            {
                "person": lane.track,
                "start": round(lane.start, 3),
                "stop": round(lane.stop, 3),
                "unsure": lane.prediction.unsure,
                "top": [{"action": action, "probability": round(p, 4)} for action, p in lane.prediction.top(top)],
                "segments": [
                    {"action": s.action, "start": round(s.start, 3), "stop": round(s.stop, 3),
                     "probability": round(s.score, 4)} for s in lane.segments
                ],
                "moments": [
                    {"second": round(float(at), 3), "probabilities": [round(float(p), 4) for p in row]}
                    for at, row in zip(lane.moments, lane.probabilities, strict=True)
                ],
            }
            for lane in analysis.lanes
        ],
    }  # fmt: skip


def to_vtt(analysis: Analysis) -> str:
    """Subtitles as WebVTT (W3C Candidate Recommendation 2019): a cue for each segment that names an action.

    Where there are people each line says who; what stands for no action is left out.
    """
    cues = []
    for lane in analysis.lanes:
        who = "" if not analysis.people else f"{_who(lane)}: "
        for s in lane.segments:
            begin, end = _clock(s.start), _clock(s.stop)
            if begin < end and not is_nothing(s.action):  # a cue must last; the clock sorts as text
                cues.append((s.start, begin, end, f"{who}{_line(s.action)} ({100 * s.score:.0f}%)"))
    cues.sort(key=lambda cue: cue[0])
    blocks = [f"{number}\n{begin} --> {end}\n{_cue_text(text)}" for number, (_, begin, end, text) in enumerate(cues, 1)]
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


def to_elan(analysis: Analysis, media: str, *, made: datetime | None = None) -> str:
    """An ELAN document (EAF 3.0, http://www.mpi.nl/tools/elan/EAFv3.0.xsd): a tier for each lane.

    The actions are a controlled vocabulary, so that whoever corrects them in ELAN picks from a list.

    Args:
        analysis: what was found.
        media: the name of the video file, which ELAN looks for beside the document.
        made: when; now where left out.
    """
    root = ElementTree.Element("ANNOTATION_DOCUMENT", {
        "AUTHOR": "har_core", "DATE": (made or datetime.now(UTC)).isoformat(timespec="seconds"), "FORMAT": "3.0",
        "VERSION": "3.0", "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
        "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
    })  # fmt: skip
    header = ElementTree.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    url = quote(_line(media))
    mime = _MIME.get(PurePath(media).suffix.lower(), "unknown")
    ElementTree.SubElement(
        header, "MEDIA_DESCRIPTOR",
        {"MEDIA_URL": f"file:///{url}", "MIME_TYPE": mime, "RELATIVE_MEDIA_URL": f"./{url}"},
    )  # fmt: skip
    last = ElementTree.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"})
    times = ElementTree.SubElement(root, "TIME_ORDER")
    number = 0
    for lane in analysis.lanes:
        tier = ElementTree.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": "action", "TIER_ID": _who(lane)})
        if lane.track is not None:
            tier.set("PARTICIPANT", _who(lane))
        for begin, end, s in _milliseconds(lane.segments):
            number += 1
            slots = [f"ts{2 * number - 1}", f"ts{2 * number}"]
            for slot, time in zip(slots, (begin, end), strict=True):
                ElementTree.SubElement(times, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(time)})
            held = ElementTree.SubElement(ElementTree.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", {
                "ANNOTATION_ID": f"a{number}", "TIME_SLOT_REF1": slots[0], "TIME_SLOT_REF2": slots[1],
            })  # fmt: skip
            ElementTree.SubElement(held, "ANNOTATION_VALUE").text = _line(s.action)
    last.text = str(number)
    # ELAN wants the slots in the order of time.
    times[:] = sorted(times, key=lambda slot: int(slot.attrib["TIME_VALUE"]))
    ElementTree.SubElement(root, "LINGUISTIC_TYPE", {
        "CONTROLLED_VOCABULARY_REF": "actions", "GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "action",
        "TIME_ALIGNABLE": "true",
    })  # fmt: skip
    language = {"LANG_DEF": "http://cdb.iso.org/lg/CDB-00130975-001", "LANG_ID": "und", "LANG_LABEL": "undetermined"}
    ElementTree.SubElement(root, "LANGUAGE", language)
    words = ElementTree.SubElement(root, "CONTROLLED_VOCABULARY", {"CV_ID": "actions"})
    ElementTree.SubElement(words, "DESCRIPTION", {"LANG_REF": "und"})
    for place, action in enumerate(analysis.classes, 1):
        entry = ElementTree.SubElement(words, "CV_ENTRY_ML", {"CVE_ID": f"cve{place}"})
        value = ElementTree.SubElement(entry, "CVE_VALUE", {"DESCRIPTION": "", "LANG_REF": "und"})
        value.text = _line(action)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def to_label_studio(analyses: Iterable[Analysis], *, prefix: str = LABEL_STUDIO_VIDEOS) -> str:
    """Tasks with predictions for Label Studio's `TimelineLabels` (https://labelstud.io/tags/timelinelabels).

    Frames count from 1, at the rate of each video, which stands in its task as `fps`: the project needs what
    `label_studio_config` gives. Who did it is the note of a region, since TimelineLabels know no people.

    Args:
        analyses: what was found.
        prefix: put before each file's name to make its address.
    """
    return json.dumps([_task(analysis, prefix) for analysis in analyses], ensure_ascii=False, indent=1)


def label_studio_config(classes: Sequence[str]) -> str:
    """The labelling interface for `to_label_studio`, to be pasted into the settings of a project."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Video", {"name": "video", "value": "$video", "frameRate": "$fps"})
    labels = ElementTree.SubElement(view, "TimelineLabels", {"name": "actions", "toName": "video"})
    for action in classes:
        ElementTree.SubElement(labels, "Label", {"value": _line(action)})
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _task(analysis: Analysis, prefix: str) -> dict[str, Any]:
    rate = analysis.properties.frames_per_second
    number = 0
    regions = []
    for lane in analysis.lanes:
        for s in lane.segments:
            number += 1
            first = int(s.start * rate + 0.5) + 1
            regions.append({
                "id": f"s{number}", "from_name": "actions", "to_name": "video", "type": "timelinelabels",
                "origin": "prediction", "score": round(s.score, 4), "meta": {"text": [_who(lane)]},
                "value": {
                    "ranges": [{"start": first, "end": max(first, int(s.stop * rate + 0.5))}],
                    "timelinelabels": [_line(s.action)],
                },
            })  # fmt: skip
    return {
        "data": {"video": prefix + quote(analysis.name), "fps": round(rate, 4), "seconds": analysis.properties.seconds},
        "predictions": [{
            "model_version": analysis.model,
            "score": round(analysis.whole.prediction.top(1)[0][1], 4),
            "result": regions,
        }],
    }  # fmt: skip


def _who(lane: Lane) -> str:
    return "Whole picture" if lane.track is None else f"Person {lane.track}"


def _line(text: str) -> str:
    """One line of characters that every format may hold: no control characters, no halves of letters."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in ("Cs", "Cn")).split())


def _cue_text(text: str) -> str:
    """WebVTT cue text: `&` and `<` begin something, and `-->` must not be in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float) -> str:
    """`hh:mm:ss.ttt`, hours of two digits or more."""
    ms = round(max(0.0, seconds) * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _milliseconds(segments: Iterable[Segment]) -> list[tuple[int, int, Segment]]:
    """Whole milliseconds of each segment; those that would last none are left out: ELAN refuses them."""
    timed = [(round(s.start * 1000), round(s.stop * 1000), s) for s in segments]
    return [(begin, end, s) for begin, end, s in timed if begin < end]
