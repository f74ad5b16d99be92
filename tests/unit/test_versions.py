"""Edits of a data set: what they change, what they may not, and that none of them is ever lost."""

import errno
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from har_core import __main__ as command_line
from har_core import dataset, runs
from har_core.config import TrainConfig
from har_core.dataset import groups, history, versions
from har_core.errors import DatasetError

A, B = "blink/v_blink_g01_c01.mp4", "rise/v_rise_g02_c01.mp4"


def clip(source: dataset.Dataset, relative: str) -> tuple[str, str, str]:
    """Action, group and part of a clip, also of an excluded one."""
    by_path = {source.relative(c): c for c in (*source.clips, *source.excluded)}
    return by_path[relative].action, by_path[relative].group, by_path[relative].split


def test_an_unedited_folder_is_version_0(tiny: Path) -> None:
    source = dataset.read(tiny)
    assert (source.version, source.excluded, source.ambiguous) == (0, (), frozenset())
    assert versions.current(tiny) == versions.Version() and versions.versions(tiny) == []


def test_an_edit_is_read_everywhere_and_the_folder_stays(tiny: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in tiny.rglob("*"))
    made = versions.change(tiny, "relabel", {A: {"action": "rise", "group": "anna", "split": "test"}})
    assert (made.number, made.parent, made.what) == (1, 0, "relabel")
    assert clip(dataset.read(tiny), A) == ("rise", "anna", "test")
    assert clip(dataset.read(tiny, version=0), A) == ("blink", "g01", "")
    versions.change(tiny, "again", {A: {"action": None}})
    assert clip(dataset.read(tiny), A) == ("blink", "anna", "test")
    assert clip(dataset.read(tiny, version=1), A) == ("rise", "anna", "test")
    assert sorted((path, path.stat().st_mtime_ns) for path in tiny.rglob("*")) == before


def test_an_excluded_clip_is_out_and_an_ambiguous_one_in_sight(tiny: Path) -> None:
    whole = dataset.read(tiny)
    versions.change(tiny, "out", {A: {"excluded": True}, B: {"ambiguous": True}})
    source = dataset.read(tiny)
    assert [source.relative(c) for c in source.excluded] == [A]
    assert len(source.clips) == len(source.properties) == 11 and source.ambiguous == {B}
    clear = source.clear()
    assert len(clear.clips) == len(clear.properties) == 10 and clear.fingerprint == source.fingerprint
    assert source.fingerprint != whole.fingerprint
    versions.change(tiny, "in", {A: {"excluded": False}, B: {"ambiguous": False}})
    assert dataset.read(tiny).fingerprint == whole.fingerprint
    assert versions.current(tiny).edits == {}


def test_renamed_actions_hold_for_clips_without_one_of_their_own(tiny: Path) -> None:
    versions.change(tiny, "relabel", {B: {"action": "blink"}})
    versions.rename_action(tiny, "blink", "wink")
    assert {c.action for c in dataset.read(tiny).clips} == {"wink", "rise", "slide"}
    assert clip(dataset.read(tiny), B)[0] == "wink"
    versions.rename_action(tiny, "wink", "rise")  # merges
    assert dataset.read(tiny).actions == ("rise", "slide")
    versions.rename_action(tiny, "slide", "blink")  # the old name is free again, and another's now
    assert dataset.read(tiny).actions == ("blink", "rise")
    assert clip(dataset.read(tiny), "blink/v_blink_g02_c01.mp4")[0] == "rise"


def test_a_run_pins_the_version_it_began_with(tiny: Path, tmp_path: Path) -> None:
    versions.change(tiny, "relabel", {A: {"action": "rise"}})
    run = runs.create(TrainConfig(dataset=str(tiny)), tmp_path / "run")
    versions.change(tiny, "back", {A: {"action": None}})
    assert run.config().version == 1
    assert runs.create(TrainConfig(dataset=str(tiny), version=0), tmp_path / "other").config().version == 0


def test_training_reads_the_pinned_version_without_ambiguous_clips(tiny: Path, small_backbone: None) -> None:
    from har_core.preparation import prepare

    versions.change(tiny, "unclear", {A: {"ambiguous": True}})
    versions.change(tiny, "out", {B: {"excluded": True}})
    said, material = [], None
    preparing = prepare(TrainConfig(dataset=str(tiny), version=1, size=32, cache=False), lambda: False)
    while True:
        try:
            said.append(next(preparing))
        except StopIteration as stop:
            material = stop.value
            break
    assert material is not None and len(material.source.clips) == 11
    names = {material.source.relative(c) for c in material.split.named("all")}
    assert A not in names and B in names
    assert any("1 clip marked as ambiguous left out" in str(event) for event in said)


def test_what_is_damaged_is_skipped_with_a_note(tiny: Path) -> None:
    versions.change(tiny, "one", {A: {"action": "rise"}})
    versions.change(tiny, "two", {A: {"action": "slide"}})
    home = history.folder(tiny)
    (home / "0002.json").write_text((home / "0002.json").read_text()[:40])
    (home / "notes.txt").write_text("hello")
    source = dataset.read(tiny)
    assert source.version == 1 and clip(source, A)[0] == "rise"
    assert any("Version 2 is damaged" in note for note in source.notes)
    assert any("notes.txt" in note for note in source.notes)
    made = versions.change(tiny, "three", {A: {"group": "anna"}})
    assert made.number == 3 and clip(dataset.read(tiny), A) == ("rise", "anna", "")
    with pytest.raises(DatasetError, match="version 2"):
        dataset.read(tiny, version=2)
    assert [version.number for version in versions.versions(tiny)] == [1, 3]


GOOD = {"format": 1, "number": 1, "parent": 0, "at": 1.0, "what": "x", "edits": {A: {"action": "rise"}}, "actions": {}}


@pytest.mark.parametrize(
    "content",
    [
        [], None, 1, "x", {}, GOOD | {"format": 2}, GOOD | {"number": 2}, GOOD | {"parent": 1}, GOOD | {"at": "now"},
        GOOD | {"at": float("nan")}, GOOD | {"what": 3}, GOOD | {"edits": {"../up.mp4": {}}}, GOOD | {"actions": [1]},
        GOOD | {"edits": {"/etc/passwd": {}}}, GOOD | {"edits": {A: {"split": "both"}}}, GOOD | {"edits": {A: 3}},
        GOOD | {"edits": {A: {"action": ""}}}, GOOD | {"edits": {A: {"excluded": 1}}}, GOOD | {"actions": {"a": 1}},
        GOOD | {"edits": {A: {"colour": "red"}}}, GOOD | {"edits": {A: {"group": "a\nb"}}},
        GOOD | {"at": 10**400}, GOOD | {"at": 1e300}, GOOD | {"at": -1.0}, GOOD | {"edits": {"\ud800.mp4": {}}},
        GOOD | {"edits": {"a\nb.mp4": {}}},
    ],
    ids=lambda content: json.dumps(content)[:80],
)  # fmt: skip
def test_a_foreign_file_never_breaks_the_reading(tiny: Path, content: object) -> None:
    home = history.folder(tiny)
    home.mkdir(parents=True)
    (home / "0001.json").write_text(json.dumps(content))
    source = dataset.read(tiny)
    assert source.version == 0 and any("Version 1 is damaged" in note for note in source.notes)
    (home / "0001.json").write_text(json.dumps(GOOD))
    assert dataset.read(tiny).version == 1


def test_two_editors_at_once_lose_nothing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, others = history._write, iter([{B: versions.Changes(action="slide")}])

    def late(home: Path, stored: versions.Version) -> None:
        for changes in others:  # somebody else is faster, once
            versions.change(tiny, "theirs", changes)
        write(home, stored)

    monkeypatch.setattr(history, "_write", late)
    made = versions.change(tiny, "mine", {A: {"action": "rise"}})
    assert (made.number, made.parent) == (2, 1)
    assert {r: e.action for r, e in versions.current(tiny).edits.items()} == {A: "rise", B: "slide"}


def test_an_unknown_clip_or_a_bad_value_is_refused(tiny: Path) -> None:
    for relative in ("no.mp4", "../x.mp4", "/etc/passwd"):
        with pytest.raises(DatasetError, match="no clip"):
            versions.change(tiny, "x", {relative: {"excluded": True}})
    with pytest.raises(DatasetError, match="1 to 80"):
        versions.change(tiny, "x", {A: {"action": "  "}})
    with pytest.raises(DatasetError, match="part"):
        versions.change(tiny, "x", {A: {"split": "both"}})
    every = {dataset.read(tiny).relative(c): versions.Changes(excluded=True) for c in dataset.read(tiny).clips}
    with pytest.raises(DatasetError, match="must keep a clip"):
        versions.change(tiny, "x", every)
    assert versions.versions(tiny) == []


def test_clips_that_are_gone_keep_their_edits(tiny: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny, tmp_path / "own"))
    versions.change(root, "x", {A: {"action": "rise"}})
    (root / A).rename(tmp_path / "away.mp4")
    versions.change(root, "y", {B: {"action": "slide"}})
    assert len(dataset.read(root).clips) == 11
    (tmp_path / "away.mp4").rename(root / A)
    assert clip(dataset.read(root), A)[0] == "rise"


def test_undo_and_restore_go_back_without_losing_anything(tiny: Path) -> None:
    for number, action in enumerate(("rise", "slide", "wave"), 1):
        versions.change(tiny, f"step {number}", {A: {"action": action}})
    assert versions.undo(tiny, 3).what == "Undid: step 3" and clip(dataset.read(tiny), A)[0] == "slide"
    with pytest.raises(DatasetError, match="not the newest"):
        versions.undo(tiny, 3)
    assert versions.undo(tiny, 4).number == 5 and clip(dataset.read(tiny), A)[0] == "rise"
    versions.undo(tiny, 5)
    assert clip(dataset.read(tiny), A)[0] == "blink" and versions.undoable(tiny) is None
    assert versions.restore(tiny, 3).number == 7 and clip(dataset.read(tiny), A)[0] == "wave"
    undoable = versions.undoable(tiny)
    assert undoable is not None and undoable.what == "Went back to version 3"
    assert versions.restore(tiny, 7).number == 7  # there already
    assert [version.number for version in versions.versions(tiny)] == [1, 2, 3, 4, 5, 6, 7]


def test_compare_says_what_changed(tiny: Path) -> None:
    one = versions.change(tiny, "x", {A: {"action": "rise", "ambiguous": True}})
    versions.change(tiny, "y", {A: {"ambiguous": False}, B: {"excluded": True}})
    two = versions.rename_action(tiny, "slide", "glide")
    assert versions.compare(one, two) == [
        versions.Difference("", "action", "slide", "glide"),
        versions.Difference(A, "ambiguous", "yes", "no"),
        versions.Difference(B, "excluded", "no", "yes"),
    ]
    assert versions.compare(versions.Version(), one)[0].before == "as the folder says"


def test_groups_named_by_recordings() -> None:
    assert groups.named("wave_by-anna_20261126-101500-1.mp4") == "anna"
    assert groups.named("wave_By-Anna.mp4") == "anna" and groups.named("step-by-step.mp4") == ""
    for name in ("Anna K.", "왼손 _ 2", "é", "A" * 100):
        assert groups.named(f"a_by-{groups.slug(name)}_-2.mp4") == groups.slug(name)
    with pytest.raises(DatasetError, match="letter"):
        groups.slug(" _!")


@pytest.mark.parametrize("name", ["a.mp4", "a_b.mp4", "_.mp4", "a_by-ben_1.mp4", "a_by-ben.mp4", "_by-ben_.mp4",
                                  "가" * 90 + ".mp4", "a_" + "가" * 90 + ".mp4", "wave_g01_c02.mp4"])  # fmt: skip
def test_an_added_clip_carries_its_group(tiny: Path, own_workspace: Path, name: str) -> None:
    for copy, file in enumerate((A, A, B)):
        with (tiny / file).open("rb") as content:
            stored = dataset.add_clip(own_workspace, "own", "wave", name, content, group="Anna K.")
        assert groups.named(stored.name) == "anna-k", (copy, stored.name)
    assert len(list(stored.parent.iterdir())) == 2
    assert dataset.read(own_workspace / "datasets" / "own").groups == ("anna-k",)


def test_a_part_is_that_of_the_whole_group(tiny: Path) -> None:
    versions.change(tiny, "x", {A: {"split": "test"}})
    source = dataset.read(tiny)
    assert {c.split for c in source.clips if c.group == "g01"} == {"test"}
    assert {c.split for c in source.clips if c.group != "g01"} == {""}
    parts = dataset.split(source.clips, validation_fraction=0.25)
    assert {c.group for c in parts.test} == {"g01"}
    with pytest.raises(DatasetError, match="Choose one"):
        versions.change(tiny, "x", {A: {"split": "test"}, "rise/v_rise_g01_c01.mp4": {"split": "train"}})
    versions.change(tiny, "x", {"rise/v_rise_g01_c01.mp4": {"split": None}})
    assert versions.current(tiny).edits == {}


def test_who_joins_a_group_takes_over_its_part(tiny: Path) -> None:
    versions.change(tiny, "x", {A: {"split": "test"}, B: {"split": "train"}})
    versions.change(tiny, "x", {A: {"group": "g02"}})
    assert clip(dataset.read(tiny), A)[1:] == ("g02", "train")
    assert clip(dataset.read(tiny), "rise/v_rise_g01_c01.mp4")[1:] == ("g01", "test")
    versions.change(tiny, "x", {A: {"group": "g03"}})
    assert clip(dataset.read(tiny), A)[1:] == ("g03", "")


@pytest.fixture(scope="module")
def mixed(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Groups named and guessed, with and without parts that the list itself fixes, and three copies of one clip."""
    root = tmp_path_factory.mktemp("mixed") / "clips"
    shutil.copytree(tiny, root)
    rows = ["path,action,group,split"]
    for action in ("blink", "rise", "slide"):
        for number, (group, part) in enumerate((("p1", "test"), ("p2", "train"), ("p3", ""), ("", "")), 1):
            old = root / action / f"v_{action}_g0{number}_c01.mp4"
            old.rename(root / action / f"{number}.mp4")
            rows.append(f"{action}/{number}.mp4,{action},{group},{part}")
    for name in ("copy", "other"):
        shutil.copy(root / "blink" / "4.mp4", root / "blink" / f"{name}.mp4")
        rows.append(f"blink/{name}.mp4,blink,,")
    (root / "clips.csv").write_text("\n".join(rows))
    return root


def test_what_looks_alike_is_named_together(mixed: Path) -> None:
    copies = ["blink/4.mp4", "blink/copy.mp4", "blink/other.mp4"]
    assert {clip(dataset.read(mixed), name)[1] for name in copies} == {copies[0]}
    versions.change(mixed, "x", {copies[2]: {"group": "anna"}})
    assert {clip(dataset.read(mixed), name)[1] for name in copies} == {"anna"}
    versions.change(mixed, "x", {copies[1]: {"group": "ben"}})  # who knows better names them one by one
    assert [clip(dataset.read(mixed), name)[1] for name in copies] == ["anna", "ben", "anna"]


def test_an_excluded_copy_still_holds_the_others_together(mixed: Path) -> None:
    versions.change(mixed, "x", {"blink/4.mp4": {"excluded": True}})
    source = dataset.read(mixed)
    assert clip(source, "blink/copy.mp4")[1] == clip(source, "blink/other.mp4")[1] == "blink/4.mp4"


def test_official_parts_stay(mixed: Path) -> None:
    with pytest.raises(DatasetError, match="itself puts p1 into its test part"):
        versions.change(mixed, "x", {"rise/1.mp4": {"split": "train"}})
    with pytest.raises(DatasetError, match="itself puts p2 into its train part"):
        versions.change(mixed, "x", {"rise/2.mp4": {"split": "test"}})
    with pytest.raises(DatasetError, match="different groups"):
        versions.change(mixed, "x", {"rise/2.mp4": {"group": "p1"}})
    with pytest.raises(DatasetError, match="different groups"):
        versions.change(mixed, "x", {"rise/2.mp4": {"group": "new"}, "rise/1.mp4": {"group": "new"}})
    versions.change(mixed, "x", {"rise/2.mp4": {"split": "validation"}, "rise/3.mp4": {"split": "test"}})
    parts = dataset.split(dataset.read(mixed).clips, validation_fraction=0.2)
    assert {c.group for c in parts.validation} == {"p2"} and {c.group for c in parts.test} == {"p1", "p3"}


def test_a_file_that_cannot_be_read_may_be_left_out(tiny: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny, tmp_path / "own"))
    (root / "blink" / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(DatasetError, match="no clip"):
        versions.change(root, "x", {"blink/broken.mp4": {"action": "rise"}})
    versions.change(root, "x", {"blink/broken.mp4": {"excluded": True}})
    source = dataset.read(root)
    assert source.skipped == () and [c.path.name for c in source.excluded] == ["broken.mp4"]
    versions.change(root, "x", {"blink/broken.mp4": {"excluded": False}})
    assert [name for name, _ in dataset.read(root).skipped] == ["blink/broken.mp4"]


NAMES = [f"{action}/{name}.mp4" for action in ("blink", "rise", "slide") for name in "1234"]
NAMES += ["blink/copy.mp4", "blink/other.mp4"]
one_change = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from([None, "rise", "wave"]),
        "group": st.sampled_from([None, "p1", "p2", "p3", "anna", "ben"]),
        "split": st.sampled_from([None, "", "train", "validation", "test"]),
        "excluded": st.booleans(),
        "ambiguous": st.booleans(),
    },
)
steps = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), one_change, min_size=1, max_size=4), st.just("undo"), st.integers(0, 4)
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(steps, min_size=1, max_size=7))
def test_no_group_straddles_a_split_after_any_edits(mixed: Path, todo: list[object]) -> None:
    shutil.rmtree(history.folder(mixed), ignore_errors=True)
    folder = dataset.read(mixed, version=0)
    official = {folder.relative(c): c.split for c in folder.clips}
    for step in todo:
        before = versions.current(mixed)
        try:
            if isinstance(step, dict):
                made = versions.change(mixed, "step", step)
            elif step == "undo":
                made = versions.undo(mixed, before.number)
            else:
                made = versions.restore(mixed, int(str(step)))
        except DatasetError as error:
            assert str(error).endswith(".") and versions.current(mixed) == before  # whole or not at all
            continue
        assert made.number in (before.number, before.number + 1) and versions.current(mixed) == made
        source = dataset.read(mixed)
        assert not any("whole group went along" in note for note in source.notes)  # nothing had to be mended
        everything = (*source.clips, *source.excluded)
        parts = {c.group: {o.split for o in everything if o.group == c.group} for c in everything}
        for group, found in parts.items():
            assert len(found - {""}) <= 1, (group, found)
        for name in NAMES:
            if official[name] == "test":
                assert clip(source, name)[2] == "test"
            if official[name] == "train":
                assert clip(source, name)[2] in ("train", "validation")
        try:
            split = dataset.split(source.clear().clips, validation_fraction=0.3, test_fraction=0.2)
        except DatasetError:
            continue
        held = [{c.group for c in split.named(part)} for part in ("train", "validation", "test")]
        assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]


def test_the_command_line_edits_lists_and_goes_back(
    tiny: Path, own_workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*arguments: object, code: int = 0) -> str:
        assert command_line.main(["dataset", *map(str, arguments)]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    dataset.link(own_workspace, "mine", tiny)
    told = json.loads(command("edit", "mine", A, tiny / B, "--action", "wave", "--ambiguous", "--json"))
    assert told == {"version": 1, "what": "Edited 2 clips: action wave, ambiguous", "clips": [A, B]}
    monkeypatch.chdir(tiny.parent)
    text = command("edit", tiny, f"{tiny.name}/{A}", "--split", "test", "--clear")
    assert f"{A}\tpart\tas the folder says -> test" in text and "slide/v_slide_g01_c01.mp4\tpart" in text
    assert text.endswith("version 2\n")
    assert command("edit", tiny, A, "--split", "test") == "nothing changed: version 2\n"
    assert "action\trise -> up" in command("rename", tiny, "rise", "up")
    listed = json.loads(command("versions", tiny, "--json"))
    assert [row["version"] for row in listed] == [3, 2, 1, 0] and len(listed[1]["clips"]) == 3
    assert command("versions", "mine").startswith("3\t20")
    command("edit", tiny, A, "--exclude")
    assert [dataset.read(tiny).relative(c) for c in dataset.read(tiny).excluded] == [A]
    command("edit", tiny, A, "--include", "--action", "", "--split", "as-dealt", "--group", "")
    assert clip(dataset.read(tiny), A) == ("blink", "g01", "")
    assert command("restore", tiny, 0).endswith("version 6\n") and versions.current(tiny).edits == {}
    for wrong in (["edit", tiny, "no.mp4", "--exclude"], ["edit", tiny, A], ["restore", tiny, 9], ["versions", "no"]):
        assert command(*wrong, code=1).startswith("har_core: ")


def test_an_evaluation_says_that_labels_were_edited_since(tiny: Path, tiny_model: Path) -> None:
    from dataclasses import replace

    from har_core import checkpoint, evaluation

    source = dataset.read(tiny)
    card = replace(
        checkpoint.read_card(tiny_model), fingerprint=source.fingerprint, dataset=tiny.name, dataset_version=0
    )
    assert checkpoint.Card.from_json(card.to_json()).dataset_version == 0
    assert checkpoint.read_card(tiny_model).dataset_version is None  # cards of before still load
    assert evaluation.remarks(source, card, "validation") == ()
    versions.change(tiny, "x", {A: {"action": "rise"}, B: {"ambiguous": True}})
    source = dataset.read(tiny)
    assert "learned from version 0" in evaluation.remarks(source, card, "validation")[0]
    # Which clips trained it is known as long as they are all there, and so is whether groups lie on both sides.
    named = {"train": [A], "validation": [B]}
    of = {source.relative(c): c.group for c in source.clips}
    known = replace(card, split=named)
    assert evaluation.apart(source, known, "validation") is (of[A] != of[B])
    versions.change(tiny, "x", {A: {"group": "one"}, B: {"group": "other", "excluded": True}})
    source = dataset.read(tiny)
    (told,) = evaluation.remarks(source, known, "validation")
    assert evaluation.apart(source, known, "validation") is True and "these scores go by version 2" in told
    assert "not known" not in told and "flatters" not in told
    versions.change(tiny, "x", {B: {"group": "one"}})
    source = dataset.read(tiny)
    assert evaluation.apart(source, known, "validation") is False
    assert "flatters" in evaluation.remarks(source, known, "validation")[0]
    gone = replace(known, split={**named, "train": [A, "gone.mp4"]})
    assert evaluation.apart(source, gone, "validation") is None
    assert "is not known" in evaluation.remarks(source, gone, "validation")[0]
    assert B not in {source.relative(c) for c in evaluation.select(source, card, "all")}


def test_edits_can_be_written_down_as_a_list(mixed: Path, tmp_path: Path) -> None:
    versions.change(mixed, "x", {
        "rise/3.mp4": {"action": "wave, or not", "split": "test"}, "rise/4.mp4": {"excluded": True},
        "slide/4.mp4": {"group": "anna"}, "blink/1.mp4": {"ambiguous": True},
    })  # fmt: skip
    edited = dataset.read(mixed).clear()
    other = Path(shutil.copytree(mixed, tmp_path / "other"))
    (other / "clips.csv").write_text(versions.as_csv(edited))
    again = dataset.read(other)
    said = [[(s.relative(c), c.action, c.group, c.split) for c in s.clips] for s in (edited, again)]
    assert said[0] == said[1] and again.fingerprint == edited.fingerprint


def test_excluding_one_of_two_labels_settles_the_doubt(mixed: Path) -> None:
    versions.change(mixed, "x", {"blink/copy.mp4": {"action": "rise"}})
    assert any("look alike" in note for note in dataset.read(mixed).notes)
    versions.change(mixed, "y", {"blink/copy.mp4": {"excluded": True}})
    assert not any("look alike" in note for note in dataset.read(mixed).notes)


def test_nothing_is_built_on_older_edits_while_the_newest_cannot_be_read(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions.change(tiny, "one", {A: {"action": "rise"}})
    versions.change(tiny, "two", {B: {"action": "slide"}})
    history._parsed.cache_clear()
    read = Path.read_text

    def fails(path: Path, *given: str) -> str:
        if path.name == "0002.json":
            raise OSError(5, "Input/output error")
        return read(path, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", fails)
        assert any("Input/output error. All is as the folder says" in note for note in dataset.read(tiny).notes)
        with pytest.raises(DatasetError, match="Input/output error"):
            versions.change(tiny, "three", {A: {"excluded": True}})
        with pytest.raises(DatasetError, match="Input/output error"):
            dataset.read(tiny, version=2)
    made = versions.change(tiny, "three", {A: {"excluded": True}})
    assert made.number == 3 and made.edits[B].action == "slide"


def test_a_full_or_closed_disk_is_said_in_a_sentence(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(history.os, "fsync", full)
        with pytest.raises(DatasetError, match=r"No space left on device\. Nothing changed"):
            versions.change(tiny, "x", {A: {"action": "rise"}})
    assert list(history.folder(tiny).iterdir()) == [] and dataset.read(tiny).version == 0


def test_a_file_with_the_last_number_stops_edits_with_a_sentence(tiny: Path) -> None:
    home = history.folder(tiny)
    home.mkdir(parents=True)
    (home / "999999999.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(DatasetError, match=r"999999999\.json takes the last number"):
            versions.change(tiny, "x", {A: {"action": "rise"}})
    assert [path.name for path in home.iterdir()] == ["999999999.json"]


def test_edits_are_kept_where_the_disk_knows_no_links(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(history.os, "link", refused)
    versions.change(tiny, "one", {A: {"action": "rise"}})
    versions.change(tiny, "two", {B: {"action": "slide"}})
    assert [version.number for version in versions.versions(tiny)] == [1, 2]
    assert sorted(path.name for path in history.folder(tiny).iterdir()) == ["0001.json", "0002.json"]
    taken = history.folder(tiny) / "0002.json"
    with pytest.raises(FileExistsError):
        history.place(taken, history.folder(tiny) / "0001.json")
