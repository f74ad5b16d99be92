"""Draw docs/images/actions-*.png from the cards of the bundled recognisers: how each learned, errs, and doubts.

PYTHONPATH=. python scripts/model_plots.py
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright
from plotly.subplots import make_subplots

WIDTH, HEIGHT = 1260, 420


def figure(card: dict[str, Any]) -> go.Figure:
    """Three panels: accuracy by epoch, confusion of the validation clips, accuracy against coverage."""
    curves, classes = card["scores"]["curves"], card["classes"]
    epochs = [row["epoch"] for row in curves]
    titles = ("Accuracy by epoch", "Validation clips", "Right, of the clips it answers")
    drawn = make_subplots(1, 3, subplot_titles=titles, horizontal_spacing=0.11)
    for name, key, colour in (("training", "accuracy", "#9aa5b1"), ("validation", "validation accuracy", "#3b5bdb")):
        drawn.add_scatter(x=epochs, y=[row[key] for row in curves], name=name, line_color=colour, row=1, col=1)
    counts = card["scores"]["validation"]["confusion"]
    drawn.add_heatmap(x=classes, y=classes, z=counts, text=counts, texttemplate="%{text}", colorscale="Blues",
                      showscale=False, row=1, col=2)  # fmt: skip
    rows = card["calibration"]["coverage"]
    drawn.add_scatter(x=[r["coverage"] for r in rows], y=[r["accuracy"] for r in rows], showlegend=False, mode="lines",
                      line_color="#3b5bdb", row=1, col=3)  # fmt: skip
    chosen = card["calibration"]["after"]
    drawn.add_scatter(x=[chosen["coverage"]], y=[chosen["accuracy when sure"]], mode="markers+text", showlegend=False,
                      text=[f"unsure below {card['unsure_below']:.0%}"], textposition="bottom left",
                      marker={"color": "#e8590c", "size": 10}, row=1, col=3)  # fmt: skip
    drawn.update_yaxes(range=[0, 1.03], tickformat=".0%", row=1, col=1)
    drawn.update_yaxes(autorange="reversed", row=1, col=2)
    drawn.update_yaxes(range=[0.5, 1.03], tickformat=".0%", row=1, col=3)
    drawn.update_xaxes(range=[0, 1.03], tickformat=".0%", title="answered", row=1, col=3)
    drawn.update_xaxes(title="epoch", row=1, col=1)
    drawn.update_layout(
        template="plotly_white", width=WIDTH, height=HEIGHT, margin={"t": 40, "b": 50, "l": 50, "r": 20},
        legend={"x": 0.1, "y": 0.08},
    )  # fmt: skip
    return drawn


def main() -> None:
    """Draw all of them."""
    with sync_playwright() as play, tempfile.TemporaryDirectory() as scratch:
        page = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"]).new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.5
        )
        for path in sorted(Path("models").glob("actions-*/card.json")):
            html = Path(scratch) / "plot.html"
            figure(json.loads(path.read_text())).write_html(html, config={"displayModeBar": False})
            page.goto(html.as_uri())
            page.locator(".main-svg").first.wait_for()
            page.screenshot(path=f"docs/images/{path.parent.name}.png")


if __name__ == "__main__":
    main()
