"""Cut and resize RGB pictures. Everything that shapes a picture for the network goes through `fit`."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from har_core.values import Rgb

PADDING = (124, 116, 104)
"""The mean colour of ImageNet: what is padded is close to zero after normalising."""


def resize(rgb: Rgb, size_wh: tuple[int, int]) -> Rgb:
    """The picture at `size_wh` (width, height): averaged when it shrinks, linear when it grows."""
    height, width = rgb.shape[:2]
    if (width, height) == size_wh:
        return rgb
    shrinks = size_wh[0] * size_wh[1] < width * height
    resized = cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def fit(rgb: Rgb, size: int) -> Rgb:
    """The whole picture in a square: longest side resized to `size`, the rest padded. uint8 `(size, size, 3)`.

    Nothing is cut off and nothing is stretched: people at the edge count, and a person crop and a whole
    frame are treated alike.
    """
    height, width = rgb.shape[:2]
    scale = size / max(height, width)
    inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.empty((size, size, 3), np.uint8)
    square[:] = PADDING
    top, left = (size - inner_h) // 2, (size - inner_w) // 2
    square[top : top + inner_h, left : left + inner_w] = resize(rgb, (inner_w, inner_h))
    return square


def cut(rgb: Rgb, xyxy: NDArray[np.float32], *, expand: float) -> Rgb:
    """The picture around a box, made larger by the share `expand` of its size and kept inside the picture.

    Args:
        rgb: uint8 `(H, W, 3)`.
        xyxy: left, top, right, bottom in px, `(4,)`; may reach outside the picture.
        expand: 0.3 makes the box 30% wider and higher, around the same centre.

    Returns:
        A view into the picture, at least 1 x 1.
    """
    height, width = rgb.shape[:2]
    left, top, right, bottom = (float(side) for side in xyxy)
    grow_x, grow_y = (right - left) * expand / 2, (bottom - top) * expand / 2
    x0 = min(max(0, round(left - grow_x)), width - 1)
    y0 = min(max(0, round(top - grow_y)), height - 1)
    x1 = max(x0 + 1, min(width, round(right + grow_x)))
    y1 = max(y0 + 1, min(height, round(bottom + grow_y)))
    return rgb[y0:y1, x0:x1]


def shrink(rgb: Rgb, longest_side: int) -> Rgb:
    """The picture, made smaller where its longest side exceeds `longest_side`; its shape is kept."""
    height, width = rgb.shape[:2]
    scale = min(1.0, longest_side / max(height, width))
    return resize(rgb, (max(1, round(width * scale)), max(1, round(height * scale))))


def sign(rgb: Rgb, text: str, *, share: float, colour: tuple[int, int, int]) -> Rgb:
    """A new picture with a large sign for somebody who stands back from the screen: digits, and a bar that fills.

    Args:
        rgb: uint8 `(H, W, 3)`; not changed.
        text: ASCII, in the middle; "" for none.
        share: how much of the bar at the lower edge is filled, 0..1.
        colour: red, green, blue of the frame and the bar.
    """
    drawn = rgb.copy()
    height, width = drawn.shape[:2]
    edge = max(2, round(min(height, width) / 60))
    cv2.rectangle(drawn, (0, 0), (width - 1, height - 1), colour, edge)
    cv2.rectangle(drawn, (0, height - 3 * edge), (round(width * min(1.0, max(0.0, share))), height), colour, -1)
    if text:
        scale, face = height / 60, cv2.FONT_HERSHEY_DUPLEX
        thick = max(1, round(scale * 2))
        (wide, high), _ = cv2.getTextSize(text, face, scale, thick)
        place = ((width - wide) // 2, (height + high) // 2)
        cv2.putText(drawn, text, place, face, scale, (18, 18, 22), 3 * thick, cv2.LINE_AA)
        cv2.putText(drawn, text, place, face, scale, (245, 245, 245), thick, cv2.LINE_AA)
    return drawn


def heat(rgb: Rgb, strength: NDArray[np.float32]) -> Rgb:
    """A new picture with a map of strengths laid over it: dim where there is none, glowing where it is strong.

    Args:
        rgb: uint8 `(H, W, 3)`.
        strength: float32 `(h, w)` in [0, 1], of the square that `fit` makes of the picture.
    """
    height, width = rgb.shape[:2]
    side = max(height, width)
    # Bicubic: with 4 x 4 places anything less shows their squares, which look sharper than the network sees.
    square = np.clip(cv2.resize(strength, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)
    top, left = (side - height) // 2, (side - width) // 2
    share = square[top : top + height, left : left + width, None]
    scaled = (share[..., 0] * 255).astype(np.uint8)
    glow = cv2.cvtColor(cv2.applyColorMap(scaled, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB).astype(np.float32)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None] * 0.6
    seen = grey + share * (rgb - grey)
    return np.clip(seen + 0.45 * share * (glow - seen * 0.4), 0, 255).astype(np.uint8)


def lab(rgb: Rgb) -> NDArray[np.float32]:
    """CIE L*a*b* of a picture, float32 `(H, W, 3)`: light in [0, 100], then two differences in colour, about +-100."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), dtype=np.float32)


def jpeg(rgb: Rgb, *, quality: int = 85) -> bytes:
    """The picture as a JPEG file's bytes."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(encoded.tobytes())


def read_jpeg(path: Path) -> Rgb:
    """A JPEG file that this project wrote, uint8 `(H, W, 3)`.

    Raises:
        OSError: it cannot be read, or is damaged.
    """
    content = np.frombuffer(path.read_bytes(), np.uint8)
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB) if content.size else None
    if decoded is None:
        raise OSError(f"{path.name} is no picture")
    return np.asarray(decoded, dtype=np.uint8)
