"""What the evidence model says, joined with what the features say: log-odds added up with the weights that ship with it."""

from collections.abc import Sequence
from dataclasses import replace

from surefoot.assistant.answerability import Judgement
from surefoot.assistant.scorecard import log_odds, logistic
from surefoot.ports import AnswersPart, AnswersRule, PassageJudgement, SourcePart, SupportJudgement, SupportRule


def with_judgements(judgement: Judgement, judged: Sequence[PassageJudgement | None], rule: AnswersRule) -> Judgement:
    """The judgement of the features with the model's word on each passage, in the list's order; None was not read.

    Without any passage read it is the features' own.
    """
    read = [each for each in judged if each is not None]
    if not read:
        return judgement
    surest = sorted((log_odds(each.answers) for each in read), reverse=True)
    best, best_two = surest[0], sum(surest[:2]) / len(surest[:2])
    joined = replace(
        judgement,
        answerable=_joined(rule.answerable, judgement.answerable, best, best_two),
        in_scope=_joined(rule.in_scope, judgement.in_scope, best, best_two),
    )
    if rule.source is None:
        return joined
    logits = _sources(rule.source, judgement.sources, judged, read)
    return replace(
        joined,
        order=tuple(sorted(range(len(logits)), key=lambda place: (-logits[place], place))),
        sources=tuple(map(logistic, logits)),
    )


def _joined(part: AnswersPart, features: float, best: float, best_two: float) -> float:
    return logistic(part.bias + part.features * log_odds(features) + part.best * best + part.best_two * best_two)


def _sources(
    part: SourcePart, features: Sequence[float], judged: Sequence[PassageJudgement | None], read: Sequence[PassageJudgement]
) -> list[float]:
    """The log-odds of each passage to be the source; one that was not read counts as the least of those that were."""
    least = PassageJudgement(min(each.relevance for each in read), min(each.answers for each in read))
    return [
        part.bias + part.features * log_odds(own) + part.relevance * each.relevance + part.answers * log_odds(each.answers)
        for own, each in ((own, found or least) for own, found in zip(features, judged, strict=True))
    ]


def is_vetoed(windows: Sequence[SupportJudgement], rule: SupportRule) -> bool:
    """Whether no window of the evidence says what the claim says; without windows there is no word against it."""
    return bool(windows) and max(window.supported for window in windows) < rule.least
