"""Small pictures of clips that run like a film under the pointer; a few kilobytes each, nothing is played."""

import base64
import html
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from har_core.facts import STRIP_FRAMES, ClipFacts
from har_core.ui.shelf import shelf

_HEIGHT = 80
_STYLE = """<style>
.har-reel { display: flex; flex-wrap: wrap; gap: 8px; }
.har-reel figure { margin: 0; max-width: 100%; }
.har-reel figcaption { font-size: 12px; opacity: .75; max-width: 10rem; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.har-reel i { display: block; height: 80px; max-width: 100%; border-radius: 8px; background-size: 500% 100%;
  background-position: 50% 0; box-shadow: 0 0 0 1px rgba(128, 128, 128, .3); }
.har-reel i:hover { animation: har-reel 1.5s steps(5, jump-none) infinite; }
.har-more { align-self: center; opacity: .7; font-size: 14px; padding: 0 4px; }
@media (max-width: 640px) { .har-reel i { height: 58px; max-width: 46vw; } }
@keyframes har-reel { from { background-position: 0 0; } to { background-position: 100% 0; } }
@media (prefers-reduced-motion: reduce) { .har-reel i:hover { animation: none; } }
</style>"""


def films(clips: Sequence[str], facts: Mapping[str, ClipFacts], captions: Sequence[str] = (), *, more: int = 0) -> None:
    """Draw clips, by path relative to the root, side by side, with a line below each; and that there are `more`.

    One that has not been looked at yet is a grey field.
    """
    drawn = []
    for clip, caption in zip(clips, captions or [""] * len(clips), strict=True):
        known = facts.get(clip)
        ratio, content = shelf("reels", 256).get(known.strip, partial(_read, known.strip)) if known else _NONE
        name = html.escape(clip, quote=True)
        below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
        drawn.append(
            f'<figure><i role="img" aria-label="{name}" title="{name}" style="aspect-ratio:{ratio:.3f};{content}"></i>'
            f"{below}</figure>"
        )
    if more:
        drawn.append(f'<span class="har-more">and {more:,} more</span>')
    st.html(f'{_STYLE}<div class="har-reel">{"".join(drawn)}</div>')


_NONE = (1.33, "background:rgba(128,128,128,.18)")


def _read(strip: Path) -> tuple[float, str]:
    """Width to height of a contact strip's frames, and the strip as CSS; a grey field where it has gone."""
    from har_core.images import jpeg, read_jpeg, resize

    try:
        rgb = read_jpeg(strip)
    except OSError:
        return _NONE
    height, width = rgb.shape[:2]
    small = resize(rgb, (max(STRIP_FRAMES, round(width * _HEIGHT / height)), _HEIGHT))
    content = base64.b64encode(jpeg(small, quality=70)).decode()
    return width / STRIP_FRAMES / height, f"background-image:url(data:image/jpeg;base64,{content})"
