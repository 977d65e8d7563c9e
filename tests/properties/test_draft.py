"""What holds for every draft and for every way it arrives."""

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.assistant.draft import MOST_CLAIMS, ClaimStream, draft_text, parse_draft
from surefoot.domain.drafts import CannotAnswer, CannotAnswerReason, Draft, DraftCitation, DraftClaim, ProposedAction

WORDS = st.text(st.one_of(st.sampled_from('{}[]",:\\`\n \t'), st.characters(codec="utf-8")), max_size=30)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
CLAIMS = st.lists(
    st.builds(DraftClaim, WORDS, st.lists(st.builds(DraftCitation, NAMES, WORDS), max_size=3).map(tuple)),
    min_size=1,
    max_size=MOST_CLAIMS,
)
ACTIONS = st.lists(st.builds(ProposedAction, NAMES, st.dictionaries(WORDS, st.integers(0, 9), max_size=2)), max_size=2)
REFUSALS = st.builds(CannotAnswer, st.sampled_from(CannotAnswerReason), WORDS)
DRAFTS = st.one_of(st.builds(Draft, CLAIMS.map(tuple), ACTIONS.map(tuple)), st.builds(lambda said: Draft((), (), said), REFUSALS))
FENCES = st.sampled_from(("{}", "```json\n{}\n```", " \n{} \n", "```\n{}```"))
MANY = settings(max_examples=400, deadline=None)


def fed(text: str, cuts: list[int]) -> list[DraftClaim]:
    stream = ClaimStream()
    places = sorted({cut % (len(text) + 1) for cut in cuts})
    return [claim for a, b in zip([0, *places], [*places, len(text)], strict=True) for claim in stream.feed(text[a:b])]


@MANY
@given(DRAFTS, FENCES, st.lists(st.integers(0, 10_000), max_size=12))
def test_the_stream_yields_exactly_the_claims_that_are_read_from_the_whole(draft: Draft, fence: str, cuts: list[int]) -> None:
    text = fence.replace("{}", draft_text(draft), 1)
    assert parse_draft(text) == draft
    assert tuple(fed(text, cuts)) == draft.claims


@MANY
@given(DRAFTS, st.integers(0, 10_000), st.text(max_size=6), st.integers(0, 6))
def test_a_spoilt_draft_breaks_nothing_and_a_valid_one_streams_whole(draft: Draft, place: int, new: str, lost: int) -> None:
    text = draft_text(draft)
    place %= len(text)
    text = text[:place] + new + text[place + lost :]
    found, streamed = parse_draft(text), fed(text, [])
    if isinstance(found, Draft):
        assert tuple(streamed) == found.claims
    else:
        assert found and all(isinstance(problem, str) for problem in found)


@MANY
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(parse_draft(text), Draft | tuple)
    fed(text, [3, 7])
