"""The data doctor: each finding on a data set that is made for it, and silence on one that is well."""

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from har_core import dataset, facts
from har_core.dataset import Dataset, versions
from har_core.dataset.versions import Changes
from har_core.doctor import Diagnosis, Finding, examine
from har_core.doctor.balance import FEWEST_CLIPS
from har_core.doctor.rooms import propose
from har_core.facts import ClipFacts
from har_core.images import jpeg
from har_core.values import Clip, Rgb, VideoProperties

WELL = VideoProperties(3.0, 25.0, 75, 320, 240, "h264")
Made = tuple[Dataset, dict[str, ClipFacts]]


def strip(seed: int) -> Rgb:
    """Five frames side by side of a picture of its own."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (7, 10, 3), dtype=np.uint8)
    return np.tile(coarse.repeat(16, axis=0).repeat(16, axis=1), (1, 5, 1))


def looks(seed: int) -> tuple[int, ...]:
    return tuple(int(value) for value in np.random.default_rng(seed).integers(0, 2**63, 3))


@dataclasses.dataclass
class Wanted:
    """A clip to make; the number at the end of its name decides what it looks like."""

    action: str
    group: str
    content: int
    properties: VideoProperties = WELL
    brightness: float = 0.5
    still: bool = False
    black: bool = False
    split: str = ""
    look: int | None = None


@pytest.fixture
def made(tmp_path: Path) -> Callable[[Sequence[Wanted]], Made]:
    """A data set on the disk whose files hold a number each, with facts; nothing is decoded."""

    def make(wanted: Sequence[Wanted]) -> Made:
        root = tmp_path / "clips"
        clips, known = [], {}
        for number, one in enumerate(wanted):
            path = root / one.action / f"{number:03d}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%04d" % one.content)
            name = path.relative_to(root).as_posix()
            seed = one.content if one.look is None else one.look
            (tmp_path / f"{seed}.jpg").write_bytes(jpeg(strip(seed)))
            clips.append(Clip(path, one.action, one.group or name, one.split))
            known[name] = ClipFacts(
                one.brightness, 0.1, 0.1, one.still, one.black, looks(seed), tmp_path / f"{seed}.jpg"
            )
        properties = tuple(one.properties for one in wanted)
        return Dataset(root, tuple(clips), properties, (), "folders", (), 0, (), frozenset()), known

    return make


def well(**changes: object) -> list[Wanted]:
    """Three actions by six people, two clips each: nothing to find."""
    wanted = [
        Wanted(action, f"g{group}", 100 * a + 10 * group + take)
        for a, action in enumerate(("jump", "sit", "walk"))
        for group in range(6)
        for take in range(2)
    ]
    return [dataclasses.replace(one, **changes) for one in wanted] if changes else wanted  # type: ignore[arg-type]


def of(diagnosis: Diagnosis, kind: str) -> Finding:
    found = [finding for finding in diagnosis.findings if finding.kind == kind]
    assert found, f"no {kind} among {[finding.kind for finding in diagnosis.findings]}"
    return found[0]


def test_nothing_is_found_where_all_is_well(made: Callable[[Sequence[Wanted]], Made]) -> None:
    diagnosis = examine(*made(well()))
    assert diagnosis.findings == ()
    assert (diagnosis.summary, diagnosis.known, diagnosis.clips) == ("Nothing found", 36, 36)


def test_clips_that_were_not_looked_at_are_judged_by_their_file(made: Callable[[Sequence[Wanted]], Made]) -> None:
    diagnosis = examine(made(well())[0], {})
    assert diagnosis.findings == ()
    assert (diagnosis.known, diagnosis.notes) == (0, ("Not all clips have been looked at yet.",))


def test_black_and_frozen_clips_can_be_left_out(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    wanted[0].black = wanted[0].still = wanted[1].still = True
    diagnosis = examine(*made(wanted))
    assert (of(diagnosis, "black").severity, of(diagnosis, "black").clips) == ("problem", ("jump/000.mp4",))
    frozen = of(diagnosis, "frozen")
    assert frozen.clips == ("jump/001.mp4",)
    assert frozen.fix and frozen.fix.edits == {"jump/001.mp4": Changes(excluded=True)}
    assert diagnosis.summary == "1 problem, 1 warning"


def test_short_clips_are_found_by_the_frames_that_are_left(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    wanted[5].properties = dataclasses.replace(WELL, seconds=0.2, frames=5)
    wanted[6].properties = dataclasses.replace(WELL, frames=2)
    short = of(examine(*made(wanted)), "short")
    assert short.clips == ("jump/005.mp4", "jump/006.mp4")
    assert short.fix


def test_where_most_clips_are_short_leaving_them_out_is_no_way(made: Callable[[Sequence[Wanted]], Made]) -> None:
    tiny = dataclasses.replace(WELL, seconds=0.2, frames=5)
    assert of(examine(*made(well(properties=tiny))), "short").fix is None


def test_unreadable_files_come_with_their_reasons(made: Callable[[Sequence[Wanted]], Made]) -> None:
    source, known = made(well())
    source = dataclasses.replace(source, skipped=(("walk/x.mp4", "It is empty."),))
    assert of(examine(source, known), "unreadable").figures == (("walk/x.mp4", "It is empty."),)


def test_the_same_file_twice_counts_double(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    wanted[1].content = wanted[0].content
    copies = of(examine(*made(wanted)), "copies")
    assert copies.sets == (("set 1", ("jump/000.mp4", "jump/001.mp4")),)
    assert copies.fix and copies.fix.edits == {"jump/001.mp4": Changes(excluded=True)}


def test_the_same_file_in_two_groups_leaks(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    wanted[2].content = wanted[0].content
    leak = of(examine(*made(wanted)), "copies over groups")
    assert leak.severity == "problem"
    assert leak.fix and leak.fix.edits == {"jump/002.mp4": Changes(excluded=True)}


def test_the_same_file_under_two_actions_is_set_aside(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    wanted[12].content = wanted[0].content
    source, known = made(wanted)
    torn = of(examine(source, known), "labels of copies")
    assert (torn.severity, torn.figures) == ("problem", (("actions", "jump and sit"),))
    assert torn.fix
    aside = dataclasses.replace(source, ambiguous=frozenset(torn.fix.edits))
    assert examine(aside, known).findings == ()


def test_clips_that_look_alike_in_two_groups_leak(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    wanted[4].look = wanted[0].look = 7777
    leak = of(examine(*made(wanted)), "look-alikes over groups")
    assert leak.clips == ("jump/000.mp4", "jump/004.mp4")
    assert leak.fix and leak.fix.edits == {"jump/004.mp4": Changes(group="g0")}


def test_equal_hashes_alone_make_no_copy(made: Callable[[Sequence[Wanted]], Made], tmp_path: Path) -> None:
    source, known = made(well())
    one, other = "jump/000.mp4", "jump/004.mp4"
    known[other] = dataclasses.replace(known[other], looks=known[one].looks)  # its strip shows something else
    assert examine(source, known).findings == ()


def test_of_copies_over_parts_those_outside_the_test_go(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    for number, one in enumerate(wanted):
        one.split = "test" if one.group == "g0" else "train"
        one.content = number
    wanted[2].content = wanted[0].content  # g1 trains, g0 tests
    over = of(examine(*made(wanted)), "copies over parts")
    assert over.fix and over.fix.edits == {"jump/002.mp4": Changes(excluded=True)}


def test_starving_and_uneven_actions(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well() + [Wanted("jump", f"g{i % 6}", 500 + i) for i in range(12)]
    wanted = [one for one in wanted if one.action != "sit" or one.group in ("g0", "g1", "g2")]
    diagnosis = examine(*made(wanted))
    few = of(diagnosis, "few clips")
    assert (few.title, len(few.clips)) == (f"sit has fewer than {FEWEST_CLIPS} clips", 6)
    assert of(diagnosis, "uneven").title == "jump has 4 times the clips of sit"


def test_one_action_alone_and_one_under_two_names(made: Callable[[Sequence[Wanted]], Made]) -> None:
    alone = of(examine(*made([one for one in well() if one.action == "sit"])), "one action")
    assert (alone.severity, alone.title) == ("problem", "sit is the only action")
    renamed = [dataclasses.replace(one, action={"jump": "Sit down", "sit": "sit_down"}.get(one.action, one.action))
               for one in well()]  # fmt: skip
    twice = of(examine(*made(renamed)), "one action twice")
    assert twice.title == "Sit down and sit_down differ in capitals or spaces only" and len(twice.clips) == 12


def test_an_action_of_one_group_cannot_validate(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = [one for one in well() if one.action != "sit"] + [Wanted("sit", "g1", 600 + i) for i in range(12)]
    alone = of(examine(*made(wanted)), "one group in an action")
    assert (alone.severity, alone.figures) == ("problem", (("sit", "g1"),))


def test_one_group_few_groups_and_no_groups(made: Callable[[Sequence[Wanted]], Made]) -> None:
    assert of(examine(*made(well(group="anna"))), "one group").severity == "problem"
    three = [dataclasses.replace(one, group=f"g{int(one.group[1]) % 3}") for one in well()]
    assert of(examine(*made(three)), "few groups").title == "There are only 3 groups"
    missing = of(examine(*made(well(group=""))), "groups")
    assert (missing.title, missing.fix) == ("No clip says who or where was filmed", None)


def test_mixed_rates_and_shapes(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    for one in wanted[::4]:
        one.properties = dataclasses.replace(WELL, frames_per_second=60.0, width=240, height=320)
    diagnosis = examine(*made(wanted))
    assert of(diagnosis, "mixed frame rates").title == "Frame rates go from 25 to 60 a second"
    assert ("tall", "9 clips") in of(diagnosis, "mixed pictures").figures


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (("turn left", "turn right", "walk"), "turn left and turn right"),
        (("CW", "ccw", "walk"), "CW and ccw"),
        (("swipe_l", "swipe_r", "walk"), "swipe_l and swipe_r"),
    ],
)
def test_pairs_in_the_mirror(made: Callable[[Sequence[Wanted]], Made], names: tuple[str, ...], pair: str) -> None:
    called = dict(zip(("jump", "sit", "walk"), names, strict=True))
    wanted = [dataclasses.replace(one, action=called[one.action]) for one in well()]
    assert of(examine(*made(wanted)), "mirrored pairs").title == f"{pair} is a pair in the mirror"


def test_names_that_only_hold_a_side_are_no_pair(made: Callable[[Sequence[Wanted]], Made]) -> None:
    called = {"jump": "bright", "sit": "blight", "walk": "left"}
    wanted = [dataclasses.replace(one, action=called[one.action]) for one in well()]
    assert examine(*made(wanted)).findings == ()


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"codec": "hevc"}, "All 12 clips of sit are hevc; no others are"),
        ({"width": 240, "height": 320}, "All 12 clips of sit are tall; no others are"),
        ({"width": 640, "height": 480}, "All 12 clips of sit are 640 x 480 px; no others are"),
        ({"frames_per_second": 15.0}, "All 12 clips of sit are slower than 20 frames a second; no others are"),
        ({"seconds": 5.0}, "All 12 clips of sit are longer than 4 s; no others are"),
    ],
)
def test_a_fact_that_gives_an_action_away(
    made: Callable[[Sequence[Wanted]], Made], odd: Mapping[str, object], said: str
) -> None:
    wanted = well()
    for one in wanted:
        if one.action == "sit":
            one.properties = dataclasses.replace(WELL, **odd)  # type: ignore[arg-type]
    found = of(examine(*made(wanted)), "file gives away")
    assert ("sit", said) in found.figures
    assert found.severity == ("warning" if "seconds" in odd else "problem")
    assert "67%" in found.why  # sit always, and one of the other two
    assert len(found.clips) == 12
    if "seconds" in odd:  # how long it takes may be part of an action
        assert found.fix is None
    else:
        assert found.fix and found.fix.label == "Leave sit out"
        assert found.fix.edits == dict.fromkeys(found.clips, Changes(excluded=True))


def test_what_would_leave_nothing_to_tell_apart_is_not_offered(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = [one for one in well() if one.action != "walk"]
    for one in wanted:
        if one.action == "sit":
            one.properties = dataclasses.replace(WELL, codec="hevc")
    assert of(examine(*made(wanted)), "file gives away").fix is None


def test_light_that_gives_an_action_away(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    for one in wanted:
        one.brightness = 0.2 if one.action == "sit" else 0.6
    light = of(examine(*made(wanted)), "light gives away")
    assert light.title == "Brightness gives sit away"


def test_a_codec_that_goes_with_an_action_is_told(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    for number, one in enumerate(wanted):
        if one.action == "jump" and number % 2:
            one.properties = dataclasses.replace(WELL, codec="hevc")
    spread = of(examine(*made(wanted)), "codec goes with action")
    assert spread.figures[0] == ("jump", "6 h264, 6 hevc")
    assert "All 12 clips of sit are h264" in spread.why


def people(number: int, takes: int, *, seed: int = 0) -> tuple[Rgb, NDArray[np.float32], list[str], list[int]]:
    """Frames of people before one wall, each in a colour of their own and in many places; vectors that tell a little
    of who it is; actions; and who it is."""
    random = np.random.default_rng(seed)
    wall = random.integers(150, 170, (96, 128, 3))
    clothes = np.random.default_rng(9).integers(0, 255, (number, 3))
    frames, actions, who = [], [], []
    for person in range(number):
        for take in range(takes):
            clip = np.stack([wall + random.integers(-3, 4, wall.shape) for _ in range(5)])
            for frame in clip:
                top, left = random.integers(0, 60), random.integers(0, 100)
                frame[top : top + 30, left : left + 20] = clothes[person]
            frames.append(np.clip(clip, 0, 255))
            actions.append(("jump", "sit", "walk")[take % 3])
            who.append(person)
    vectors = random.normal(size=(number, 32))[who] + random.normal(size=(len(who), 32))
    return np.stack(frames).astype(np.uint8), vectors.astype(np.float32), actions, who


def test_people_before_one_wall_are_told_by_their_clothes() -> None:
    from sklearn.metrics import adjusted_rand_score

    frames, vectors, actions, who = people(5, 6)
    rooms = propose(frames, vectors, actions)
    assert rooms is not None
    assert adjusted_rand_score(who, rooms.of) > 0.9
    assert rooms.sure > 0.2
    assert list(dict.fromkeys(rooms.of.tolist())) == list(range(rooms.number))  # in the order of their first clips


def test_a_cancelled_proposal_is_none() -> None:
    frames, vectors, actions, _ = people(3, 6)
    assert propose(frames, vectors, actions, cancelled=lambda: True) is None


def test_proposed_groups_can_be_applied(made: Callable[[Sequence[Wanted]], Made], tmp_path: Path) -> None:
    frames, vectors, actions, who = people(4, 6)
    source, known = made([Wanted(action, "", i) for i, action in enumerate(actions)])
    places = {name: i for i, name in enumerate(known)}
    for name, i in places.items():
        (tmp_path / f"p{i}.jpg").write_bytes(jpeg(np.concatenate(list(frames[i]), axis=1)))
        known[name] = dataclasses.replace(known[name], strip=tmp_path / f"p{i}.jpg")
    vectors = np.concatenate([vectors, np.zeros_like(vectors)], axis=1)
    vectors[3] = np.nan  # a clip that could not be decoded stays a group of its own
    found = of(examine(source, known, vectors), "groups")
    assert "they seem to be of 4 people or places" in found.title
    assert [name for name, _ in found.sets] == ["room 1", "room 2", "room 3", "room 4"]
    assert found.fix and len(found.fix.edits) == len(who) - 1
    for name, members in found.sets:
        assert len({who[places[clip]] for clip in members}) == 1
        assert all(found.fix.edits[clip] == Changes(group=name) for clip in members)


def test_a_diagnosis_goes_to_json(made: Callable[[Sequence[Wanted]], Made]) -> None:
    wanted = well()
    wanted[1].content = wanted[0].content
    values = json.loads(json.dumps(examine(*made(wanted)).to_json()))
    assert values["summary"] == "1 warning"
    assert values["findings"][0]["fix"]["edits"] == {"jump/001.mp4": {"excluded": True}}


def test_a_fix_is_one_version_that_heals(tiny: Path, tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "tiny"
    shutil.copytree(tiny, root)
    shutil.copy(root / "rise" / "v_rise_g01_c01.mp4", root / "rise" / "v_rise_g02_c07.mp4")
    source = dataset.read(root)
    leak = of(examine(source, facts.gather(source)), "copies over groups")
    assert leak.fix
    made = versions.change(root, leak.fix.what, leak.fix.edits)
    assert made.number == 1
    again = dataset.read(root)
    kinds = {finding.kind for finding in examine(again, facts.gather(again)).findings}
    assert not kinds & {"copies over groups", "look-alikes over groups"}


def test_ten_thousand_clips_take_seconds(made: Callable[[Sequence[Wanted]], Made]) -> None:
    source, known = made(well())
    many = 280
    names = [f"{clip.action}/{i:05d}.mp4" for i, clip in enumerate(source.clips * many)]
    clips = tuple(
        Clip(source.root / name, clip.action, f"g{i // 400}", "")
        for i, (name, clip) in enumerate(zip(names, source.clips * many, strict=True))
    )
    old = list(known.values())
    for i, clip in enumerate(clips):  # links to a few files: as many copies as there can be
        clip.path.hardlink_to(source.clips[i % len(source.clips)].path)
    big = dataclasses.replace(source, clips=clips, properties=source.properties * many)
    began = time.monotonic()
    diagnosis = examine(big, {name: old[i % len(old)] for i, name in enumerate(names)})
    assert time.monotonic() - began < 60  # a few seconds on an idle machine
    assert of(diagnosis, "copies over groups")
