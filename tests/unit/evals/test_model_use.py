"""What models did is counted from the steps of each reply; an altered quote and an uncited claim are seen."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.unit.evals.builders import answer, draft, passage, refusal

from surefoot.domain.answers import Answer, Claim, Refusal, Tier
from surefoot.domain.replies import Reply
from surefoot.domain.routing import Step, StepOutcome
from surefoot.evals.model_use import Asked, asked_from, is_uncited, model_use

HERE = passage("g", page="/a")
QUOTED = Step(Tier.EXTRACTIVE, "", "answer", StepOutcome.REFUSED)


def reply(outcome: Answer | Refusal, *steps: Step) -> Reply:
    return Reply("ans_1", "?", outcome, "v1", datetime(2026, 1, 1, tzinfo=UTC), {"model": 2.0}, steps=steps)


def test_only_a_model_asked_for_an_answer_counts_as_asked() -> None:
    rewritten = draft(purpose="standalone_question", nano_usd=7)
    use = model_use(
        [
            Asked(refusal(0.1), {}, (QUOTED,)),
            Asked(refusal(0.4), {}, (QUOTED, rewritten)),
            Asked(refusal(0.4), {}, (QUOTED, draft("unsupported"), draft("cannot_answer", purpose="repair", nano_usd=5))),
            Asked(answer(0.5, HERE, tier=Tier.SMALL), {}, (QUOTED, draft())),
        ]
    )
    assert (use.n, use.asked, use.asked_share and use.asked_share.value, use.repairs) == (4, 2, 0.5, 1)
    assert use.verdicts == {"accepted": 1, "cannot_answer": 1, "unsupported": 1}
    assert (use.rewrites, use.answered_by) == ({"accepted": 1}, {"small": 1})
    # Money and tokens are of every call, the rewriting too.
    assert (use.input_tokens, use.output_tokens, use.cost_usd, use.cost_usd_per_question) == (400, 40, 12e-9, 3e-9)


def test_nothing_asked_is_nothing_spent() -> None:
    use = model_use([])
    assert (use.n, use.asked_share, use.cost_usd_per_question) == (0, None, 0.0)


def test_a_quote_that_does_not_stand_where_its_citation_says_is_altered() -> None:
    chunks = {HERE.chunk.chunk_id: HERE.chunk}
    true = answer(0.5, HERE)
    (citation,) = true.claims[0].citations
    assert asked_from(reply(true, QUOTED), chunks) == Asked(true, {"model": 2.0}, (QUOTED,), 0)
    assert asked_from(reply(refusal(0.1, [HERE])), chunks).altered_quotes == 0
    for wrong in (
        replace(citation, quote="Tixt"),
        replace(citation, start=1),
        replace(citation, start=-1),
        replace(citation, start=4, end=4, quote=""),
        replace(citation, end=99),
    ):
        assert asked_from(reply(Answer((Claim("Said.", (wrong,), 1.0),), 0.5)), chunks).altered_quotes == 1
    assert asked_from(reply(true), {}).altered_quotes == 1


def test_an_answer_without_a_claim_has_no_citation() -> None:
    assert is_uncited(Answer((), 0.9))
    assert not is_uncited(answer(0.9, HERE))
    assert not is_uncited(refusal(0.1))
    assert model_use([Asked(Answer((), 0.9), {}, altered_quotes=2)]).answers_without_citation == 1
    assert model_use([Asked(Answer((), 0.9), {}, altered_quotes=2)]).altered_quotes == 2
