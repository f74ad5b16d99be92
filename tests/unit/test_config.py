"""Settings: what they refuse, and that JSON keeps them."""

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_core.config import AugmentConfig, ClipSpec, Config, LiveConfig, NetworkConfig, TrainConfig
from har_core.errors import ConfigError

clips = st.builds(
    ClipSpec,
    window_seconds=st.floats(0.1, 60),
    frames_per_second=st.floats(0.1, 60),
    most_frames=st.integers(1, 128),
    size=st.integers(32, 448),
    view=st.sampled_from(["frame", "person"]),
)
networks = st.builds(
    NetworkConfig,
    weights=st.sampled_from(["auto", "imagenet", "bundled", "none"]),
    embedding=st.sampled_from(["average", "grid"]),
    motion=st.sampled_from(["off", "only", "beside"]),
    lstm_layers=st.integers(1, 4),
    bidirectional=st.booleans(),
    pooling=st.sampled_from(["last", "mean", "attention"]),
)
trainings = st.builds(
    TrainConfig,
    dataset=st.text(),
    clip=st.none() | clips,
    network=networks,
    augment=st.builds(AugmentConfig, strength=st.floats(0, 2), flip=st.booleans()),
    epochs=st.integers(1, 10_000),
    validation_groups=st.lists(st.text(), max_size=3).map(tuple),
    seed=st.integers(0, 2**31 - 1),
)


lives = st.builds(
    LiveConfig,
    view=st.sampled_from(["auto", "frame", "person"]),
    detector=st.text(),
    confidence=st.floats(0.05, 0.95),
    detect_every=st.integers(1, 30),
    budget_ms=st.floats(1, 1000),
)


@given(clips | networks | trainings | lives)
def test_json_keeps_a_config(config: Config) -> None:
    assert type(config).from_json(json.loads(json.dumps(config.to_json()))) == config


def test_defaults_fill_what_is_left_out() -> None:
    assert TrainConfig.from_json({}) == TrainConfig()
    assert TrainConfig.from_json({"network": {"lstm_size": 64}}).network == NetworkConfig(lstm_size=64)
    assert ClipSpec.from_json({"window_seconds": 2}).window_seconds == 2.0
    assert isinstance(ClipSpec.from_json({"window_seconds": 2}).window_seconds, float)


@pytest.mark.parametrize(
    ("kind", "values", "text"),
    [
        (TrainConfig, [], "JSON object"),
        (TrainConfig, {"epoch": 3}, "no setting 'epoch'"),
        (TrainConfig, {"epochs": 0}, "epochs must lie between 1 and 10000, but is 0"),
        (TrainConfig, {"epochs": 3.0}, "epochs must be int"),
        (TrainConfig, {"epochs": "3"}, "epochs must be int"),
        (TrainConfig, {"epochs": True}, "epochs must be int"),
        (TrainConfig, {"cache": 1}, "cache must be bool"),
        (TrainConfig, {"head_learning_rate": math.nan}, "head_learning_rate must lie"),
        (TrainConfig, {"head_learning_rate": math.inf}, "head_learning_rate must lie"),
        (TrainConfig, {"head_learning_rate": True}, "head_learning_rate must be float"),
        (TrainConfig, {"head_learning_rate": 10**400}, "too large"),
        (TrainConfig, {"epochs": 10**400}, "too large"),
        (TrainConfig, {"precision": "fp16"}, "'auto' or 'bf16' or 'fp32'"),
        (TrainConfig, {"precision": ["fp32"]}, "precision must be"),
        (TrainConfig, {"validation_groups": "g01"}, "a list of texts"),
        (TrainConfig, {"validation_groups": [1]}, "a list of texts"),
        (TrainConfig, {"network": None}, "JSON object"),
        (TrainConfig, {"network": {"pooling": "max"}}, "NetworkConfig.pooling"),
        (TrainConfig, {"clip": {"size": 31}}, "ClipSpec.size"),
        (TrainConfig, {"clip": 3}, "JSON object"),
        (TrainConfig, {"validation_fraction": 0.5, "test_fraction": 0.5}, "leave clips to train on"),
        (ClipSpec, {"most_frames": 0}, "most_frames"),
        (ClipSpec, {"frames_per_second": 61}, "frames_per_second"),
        (NetworkConfig, {"lstm_layers": 5}, "lstm_layers"),
        (NetworkConfig, {"lstm_layers": 0, "motion": "only"}, "nothing to learn"),
        (NetworkConfig, {"dropout": 1}, "dropout"),
        (AugmentConfig, {"strength": 2.1}, "strength"),
        (TrainConfig, {"view": "people"}, "view"),
        (TrainConfig, {"dataset": "/clips/\0"}, "zero byte"),
        (LiveConfig, {"view": "both"}, "view"),
        (LiveConfig, {"detect_every": 0}, "detect_every must lie between 1 and 30"),
        (LiveConfig, {"detect_every": 1.5}, "detect_every must be int"),
        (LiveConfig, {"confidence": 0}, "confidence"),
        (LiveConfig, {"least_seconds": math.nan}, "least_seconds"),
        (LiveConfig, {"hysteresis": 1}, "hysteresis"),
        (LiveConfig, {"speed": 1}, "no setting 'speed'"),
    ],
)
def test_what_is_refused_is_named(kind: type[Config], values: object, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        kind.from_json(values)


names = st.sampled_from([f.name for f in dataclasses.fields(TrainConfig)])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2))


@given(st.dictionaries(names, values, max_size=3))
def test_any_json_gives_a_config_or_one_clear_error(given_values: dict[str, Any]) -> None:
    try:
        config = TrainConfig.from_json(given_values)
    except ConfigError as error:
        assert str(error)
    else:
        assert TrainConfig.from_json(config.to_json()) == config


def test_the_constructor_checks_too() -> None:
    with pytest.raises(ConfigError):
        ClipSpec(size=16)
    with pytest.raises(ConfigError):
        TrainConfig(label_smoothing=-0.1)
