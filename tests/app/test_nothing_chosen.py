"""A page whose browser says that no view is chosen, as it does where the page's first run was cut short."""

from pathlib import Path

import pytest
from fakes import Open

from har_core import dataset


@pytest.mark.parametrize(
    ("page", "key", "first"), [("dataset", "dataset_view", "Clips"), ("train", "train_view", "New run")]
)
def test_a_page_without_a_chosen_view_shows_its_first(
    workspace: Path, clips: Path, open_page: Open, page: str, key: str, first: str
) -> None:
    dataset.link(workspace, "tiny", clips)
    app = open_page(page, **{key: None})
    assert not app.exception
    assert app.session_state[key] == first
