"""The scripts of our own components: several files make one, because Streamlit takes the text of one."""

from pathlib import Path

_HERE = Path(__file__).parent


def script(*names: str) -> str:
    """The text of `element.js` and of these files, in order; all share one scope, and the last has the component."""
    return "\n".join((_HERE / f"{name}.js").read_text("utf-8") for name in ("element", *names))
