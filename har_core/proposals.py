"""What a search tries next: its base first, a few settings at random, then what Optuna's TPE expects more of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from har_core.searches import KNOBS, SearchConfig, Settings, Try, Value

AT_RANDOM = 6
"""Tries that are drawn before the sampler begins to learn from them."""
WARM_UP_EPOCHS = 6
"""No try is given up before."""
_LEAST = 1e-6  # of a knob that is turned by its logarithm
_MOST_ALIKE = 30

Report = Callable[[int, float], bool]
"""Takes an epoch, from 1, and the accuracy after it; says whether the try can be given up."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """Settings to try, and whom to tell how it goes."""

    settings: Settings
    report: Report
    trial: Any = None


class Proposals:
    """Proposes settings and learns from what came of them. The same tries lead to the same proposals."""

    def __init__(self, config: SearchConfig, done: Sequence[Try]) -> None:
        import optuna  # half a second

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._first = optuna, config.first()
        self._distributions = {path: self._distribution(path, value) for path, value in self._first.items()}
        # Another seed after each break: a search that goes on shall not draw the same again.
        sampler = optuna.samplers.TPESampler(seed=config.seed + len(done), n_startup_trials=AT_RANDOM)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=AT_RANDOM, n_warmup_steps=WARM_UP_EPOCHS)
        self._study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        self._tried: list[Settings] = []
        for each in done:
            self._recall(each)

    def next(self) -> Proposed | None:
        """Settings that were not tried before; None where there seem to be no more."""
        if not self._tried:
            return Proposed(dict(self._first), lambda epoch, accuracy: False)
        for _ in range(_MOST_ALIKE):
            trial = self._study.ask(self._distributions)
            settings = {path: _readable(value) for path, value in trial.params.items()}
            if settings not in self._tried:
                return Proposed(settings, _reporting(trial), trial)
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        return None

    def learn(self, proposed: Proposed, done: Try) -> None:
        """What came of what was proposed."""
        if proposed.trial is None:
            return self._recall(done)
        self._tried.append(done.settings)
        state = self._optuna.trial.TrialState
        if done.pruned:
            self._study.tell(proposed.trial, state=state.PRUNED if done.curve else state.FAIL)
        else:
            self._study.tell(proposed.trial, done.accuracy)
        return None

    def _distribution(self, path: str, first: Value) -> Any:  # noqa: ANN401  # Optuna's
        knob, kinds = KNOBS[path], self._optuna.distributions
        if knob.choices:
            return kinds.CategoricalDistribution(tuple(dict.fromkeys((*knob.choices, first))))
        low, high = min(knob.low, float(first)), max(knob.high, float(first))
        return kinds.FloatDistribution(max(low, _LEAST) if knob.log else low, high, log=knob.log)

    def _recall(self, done: Try) -> None:
        """Take in a try that was not asked for in this process."""
        if done.settings.keys() != self._distributions.keys():
            return
        self._tried.append(done.settings)
        state = self._optuna.trial.TrialState
        kind = state.COMPLETE if not done.pruned else state.PRUNED if done.curve else state.FAIL
        self._study.add_trial(self._optuna.trial.create_trial(
            state=kind, value=done.accuracy if kind == state.COMPLETE else None, distributions=self._distributions,
            params={path: self._within(path, value) for path, value in done.settings.items()},
            intermediate_values=dict(enumerate(done.curve, 1)),
        ))  # fmt: skip

    def _within(self, path: str, value: Value) -> Value:
        """Rounding, or a base that is off the scale, may lie a little beside what can be drawn."""
        drawn = self._distributions[path]
        if isinstance(drawn, self._optuna.distributions.FloatDistribution):
            return min(max(float(value), drawn.low), drawn.high)
        return value


def _reporting(trial: Any) -> Report:  # noqa: ANN401  # Optuna's
    def report(epoch: int, accuracy: float) -> bool:
        trial.report(accuracy, epoch)
        return bool(trial.should_prune())

    return report


def _readable(value: Value) -> Value:
    """Two digits are enough of a number that was drawn."""
    return float(f"{value:.2g}") if isinstance(value, float) else value
