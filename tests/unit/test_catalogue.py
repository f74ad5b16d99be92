from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from har_core.catalogue import Filter, catalogue, choose
from har_core.dataset import Dataset, read
from har_core.errors import ConfigError
from har_core.facts import ClipFacts


def looked(number: int, **changed: object) -> ClipFacts:
    looks = tuple(map(int, np.random.default_rng(number).integers(2**63, size=3)))
    fact = ClipFacts(0.1 * number, 0.01 * number, 0.1, False, False, looks, Path("x"))
    return replace(fact, **changed)  # type: ignore[arg-type]


@pytest.fixture
def source(tiny: Path) -> Dataset:
    whole = read(tiny)
    out = replace(whole.clips[0], path=whole.root / "blink" / "excluded.mp4")
    return replace(
        whole, skipped=(("odd/broken.mp4", "It cannot be opened."),), excluded=(out,),
        ambiguous=frozenset({whole.relative(whole.clips[11])}),
    )  # fmt: skip


def names(table: object) -> list[str]:
    return [name.rsplit("/")[-1] for name in table["clip"]]  # type: ignore[index]


def test_each_clip_has_its_row_and_those_left_out_say_why(source: Dataset) -> None:
    first = source.relative(source.clips[0])
    table = catalogue(source, {first: looked(3, people=2)}, {first: "train"})
    assert len(table) == 14
    assert list(choose(table, Filter(flags=("excluded", "ambiguous")))["clip"]) == [
        "blink/excluded.mp4", source.relative(source.clips[11]),
    ]  # fmt: skip
    row = table.set_index("clip").loc[first]
    assert (row["part"], row["people"], row["flags"]) == ("train", 2, ())
    assert (row["seconds"], row["width"]) == (pytest.approx(1.0), 64)
    broken = table.set_index("clip").loc["odd/broken.mp4"]
    assert broken["flags"] == ("left out",) and broken["why"] and np.isnan(broken["seconds"])
    assert np.isnan(table.set_index("clip").loc[source.relative(source.clips[1])]["motion"])


def test_flags_say_what_may_be_the_matter(source: Dataset) -> None:
    a, b, c, d, e = (source.relative(clip) for clip in source.clips[:5])
    short = replace(source.properties[4], seconds=0.2, frames=2)
    source = replace(source, properties=(*source.properties[:4], short, *source.properties[5:]))
    facts = {
        a: looked(1, black=True, still=True, looks=()), b: looked(5), c: looked(5), d: looked(9, still=True),
        e: looked(200),
    }  # fmt: skip
    flags = catalogue(source, facts, {}).set_index("clip")["flags"]
    assert [flags[name] for name in (a, b, c, d, e)] == [
        ("black",), ("look-alike",), ("look-alike",), ("still",), ("too short",),
    ]  # fmt: skip
    shown = choose(catalogue(source, facts, {}), Filter(flags=("black", "too short", "left out")))
    assert list(shown["clip"]) == [a, "odd/broken.mp4", e]


def test_a_filter_leaves_what_is_asked_for(source: Dataset) -> None:
    parts = {source.relative(clip): "train" if clip.group < "g03" else "test" for clip in source.clips}
    table = catalogue(source, {}, parts)
    assert len(choose(table, Filter())) == 12  # what is left out stays away
    assert len(choose(table, Filter(actions=("rise", "slide")))) == 8
    assert len(choose(table, Filter(actions=("rise",), parts=("test",), groups=("g01", "g04")))) == 1
    assert names(choose(table, Filter(text=" RISE_g02"))) == ["v_rise_g02_c01.mp4"]
    assert len(choose(table, Filter(text="(["))) == 0
    assert list(choose(table, Filter(only=("odd/broken.mp4", "gone.mp4")))["clip"]) == ["odd/broken.mp4"]
    assert len(choose(table, Filter(ranges=(("seconds", 2.0, 9.0),)))) == 0
    assert len(choose(table, Filter(ranges=(("motion", 0.5, 0.6),)))) == 12  # not known yet
    with pytest.raises(ConfigError, match="'colour'"):
        Filter(ranges=(("colour", 0, 1),))


def test_sorting_puts_what_is_not_known_last(source: Dataset) -> None:
    clips = [source.relative(clip) for clip in source.clips]
    table = catalogue(source, {clips[4]: looked(1), clips[2]: looked(7)}, {})
    assert list(choose(table, Filter(), sort="motion")["clip"])[:3] == [clips[4], clips[2], clips[0]]
    assert list(choose(table, Filter(), sort="brightness", falling=True)["clip"])[:3] == [clips[2], clips[4], clips[0]]
    assert list(choose(table, Filter(), sort="name", falling=True)["clip"]) == clips[::-1]
    surest = choose(table, Filter(), sort="doubt", doubt={clips[5]: 0.9, clips[1]: 0.95})
    assert list(surest["clip"])[:2] == [clips[1], clips[5]]


def test_thousands_of_copies_are_no_millions_of_pairs(source: Dataset) -> None:
    many = 20_000
    clip, shape = source.clips[0], source.properties[0]
    clips = tuple(replace(clip, path=source.root / f"{n}.mp4") for n in range(many))
    big = replace(source, clips=clips, properties=(shape,) * many)
    table = catalogue(big, {f"{n}.mp4": looked(3) for n in range(many)}, {})
    assert len(choose(table, Filter(flags=("look-alike",)))) == many
