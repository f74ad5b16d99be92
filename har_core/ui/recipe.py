"""The settings of the next run while they are chosen: one value for this viewer, whatever shows or changes it.

Widgets forget themselves when they are not drawn. So each is filled from here before it is drawn and tells here what
was chosen; the few knobs, all knobs and the JSON are three views of the same settings.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from har_core import coach, dataset, workspace
from har_core.config import TrainConfig
from har_core.dataset import Dataset
from har_core.errors import ConfigError
from har_core.ui.frame import go_to

Settings = dict[str, Any]
"""As `TrainConfig.to_json` nests them, without the data set and the version of its edits."""
CLONE = "clone config"
"""Where another part of the app leaves the settings of a run, as JSON, for the next one to begin with."""
_RECIPE, _NOTE, _OF = "recipe", "recipe note", "recipe of"
_NOT_CHOSEN = ("dataset", "version")


def defaults() -> Settings:
    """The settings of somebody who has chosen nothing."""
    return _chosen(TrainConfig().to_json())


def settings() -> Settings:
    """The settings as they are chosen now; they may contradict each other."""
    kept: Settings = st.session_state.setdefault(_RECIPE, defaults())
    return kept


def config_for(source: Dataset) -> TrainConfig:
    """The settings as the config of a run on this data set.

    Raises:
        ConfigError: they contradict each other.
    """
    if st.session_state.get(_OF) != str(source.root):  # groups are of one data set
        st.session_state[_OF] = str(source.root)
        groups = settings()["validation_groups"]
        settings()["validation_groups"] = tuple(group for group in groups if group in source.groups)
    return TrainConfig.from_json(settings() | {"dataset": str(source.root)})


def bind(path: str) -> str:
    """The key of a widget for the setting at this path ("network.dropout"), filled with what is chosen."""
    key = f"set {path}"
    st.session_state[key] = value_at(path)
    return key


def take(path: str) -> None:
    """What a bound widget calls when it was changed."""
    put(path, st.session_state[f"set {path}"])


def value_at(path: str) -> Any:  # noqa: ANN401  # whatever the setting is
    """What is chosen at this path."""
    value: Any = settings()
    for name in path.split("."):
        value = value[name]
    return value


def put(path: str, value: object) -> None:
    """Choose a value for the setting at this path."""
    *parents, last = path.split(".")
    place = settings()
    for name in parents:
        place = place[name]
    place[last] = value


def merge(change: Mapping[str, Any]) -> None:
    """Choose several settings, nested as in the config; what is not in `change` stays. A callback of buttons."""
    config = coach.changed(TrainConfig.from_json(settings()), change)
    st.session_state[_RECIPE] = _chosen(config.to_json())


def replace_all(values: object, *, note: str = "") -> None:
    """Choose all settings anew; those left out take their defaults. `note` is said once, where they are shown.

    Raises:
        ConfigError: there is no such setting, or a value is out of range.
    """
    if isinstance(values, dict):
        values = {name: value for name, value in values.items() if name not in _NOT_CHOSEN}
    st.session_state[_RECIPE] = _chosen(TrainConfig.from_json(values).to_json())
    st.session_state[_NOTE] = note


def reset() -> None:
    """Choose the defaults."""
    replace_all({})


def note() -> str:
    """Where these settings come from, "" for nowhere."""
    return str(st.session_state.get(_NOTE, ""))


def differences() -> list[tuple[str, Any, Any]]:
    """The settings that are not as usual: path, the default, what is chosen."""
    usual, chosen = dict(_flat(defaults())), dict(_flat(settings()))
    return [(path, usual.get(path), value) for path, value in chosen.items() if value != usual.get(path)]


def offer(config: TrainConfig, note: str) -> None:
    """Go to the New run view with the settings of a config and its data set chosen."""
    st.session_state[CLONE] = config.to_json() | {"note": note}
    go_to("train", train_view="New run")


def take_clone() -> None:
    """Begin with the settings that another part of the app has left. To be called before a data set is chosen."""
    left = st.session_state.pop(CLONE, None)
    if not isinstance(left, dict):
        return
    said = str(left.pop("note", "") or "The settings of another run.")
    try:
        replace_all(left, note=said)
    except ConfigError as error:
        st.session_state[_NOTE] = f"The settings of that run cannot be used: {error}"
        return
    wanted = Path(str(left.get("dataset", ""))).resolve()
    names = [name for name, folder in dataset.datasets(workspace()).items() if folder.resolve() == wanted]
    if names:
        st.session_state["data"] = names[0]
        st.session_state[_OF] = str(dataset.datasets(workspace())[names[0]])
    else:
        st.session_state[_NOTE] = f"{said} Its data set is not in the workspace any more; choose another one."


def _chosen(values: Settings) -> Settings:
    return {name: value for name, value in values.items() if name not in _NOT_CHOSEN}


def _flat(values: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{above}{name}.")
        else:
            found.append((f"{above}{name}", list(value) if isinstance(value, tuple) else value))
    return found
