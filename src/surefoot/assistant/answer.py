"""From retrieved passages to an answer that quotes them, or a refusal that says why."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from surefoot.assistant.answerability import AnswerabilityModel, Evidence, Judge, Judgement, gather, shipped_model
from surefoot.assistant.conflicts import Disagreement, disagreements
from surefoot.assistant.evidence_weighing import with_judgements
from surefoot.assistant.extract import Quote, Worths, best_unit, quotes
from surefoot.assistant.questions import Question, analyse_question
from surefoot.assistant.refusals import conflicting, insufficient, no_evidence, out_of_scope, stale
from surefoot.assistant.sentence_scores import SentenceReader
from surefoot.assistant.units import ChunkReader
from surefoot.domain.answers import Answer, Citation, Claim, Passage, Refusal, cite
from surefoot.domain.documents import DocumentId
from surefoot.ports import AnswersRule, Encoder
from surefoot.retrieval.rerank import in_fused_order
from surefoot.retrieval.search import Retrieved

_MOST_CLOSEST = 3
# Below this cosine two texts of the shipped encoder have nothing to do with each other.
_UNRELATED_COSINE = 0.2
# A fresh passage this near to a stale one, as a source, is answered from instead.
_NEAR_SHARE = 0.5
# ... unless this share of the question, by weight, is spoken of in the stale passage and in no fresh one.
_ONLY_STALE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class _Weighed:
    evidence: Evidence
    judgement: Judgement

    def passage(self, place: int) -> Passage:
        return self.evidence.retrieved.passages[place]


@dataclass(frozen=True, slots=True)
class Told:
    """An outcome, and for an answer what it was quoted from."""

    outcome: Answer | Refusal
    weighed: _Weighed | None = None


@dataclass(frozen=True, slots=True)
class _Thresholds:
    answer: float
    scope: float


def _thresholds(rule: AnswerabilityModel | AnswersRule, answer: float | None, scope: float | None) -> _Thresholds:
    """Those of the rule where no others are given."""
    return _Thresholds(rule.answer_threshold if answer is None else answer, rule.scope_threshold if scope is None else scope)


class Answerer:
    """Answers from passages by quoting them; reads nothing but what it is given. Safe from many threads.

    The thresholds are those the model was calibrated to unless others are given: `answer_threshold` is the least
    confidence to answer, `scope_threshold` the least probability of being about these documents at all. Passages that an
    evidence model has read are weighed with its word by the rule `judged`, which has thresholds of its own; without the rule,
    and where nothing was read, the features speak alone.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        answer_threshold: float | None = None,
        scope_threshold: float | None = None,
        model: AnswerabilityModel | None = None,
        judged: AnswersRule | None = None,
    ) -> None:
        model = model or shipped_model()
        self._encoder = encoder
        self._judge = Judge(model)
        self._reader = ChunkReader()
        self._judged = judged
        self._by_features = _thresholds(model, answer_threshold, scope_threshold)
        self._by_both = _thresholds(judged, answer_threshold, scope_threshold) if judged else self._by_features

    def answer_threshold(self, retrieved: Retrieved) -> float:
        """The least confidence at which this tier answers from these passages."""
        return self._thresholds(retrieved).answer

    def answer(self, question: str, locale: str, retrieved: Retrieved) -> Answer | Refusal:
        """The answer that these passages support, else the refusal. Equal input gives equal output."""
        return self.told(question, locale, retrieved).outcome

    def told(self, question: str, locale: str, retrieved: Retrieved) -> Told:
        """The same outcome, with what an answer was quoted from."""
        asked = analyse_question(question, locale)
        fresh = self._weigh(asked, retrieved)
        suffices = self._suffices(fresh)
        outdated = self._outdated(asked, retrieved, suffices=suffices) if retrieved.stale else None
        if outdated is not None:
            return Told(outdated)
        return self._settle(fresh) if suffices else Told(self._refuse(fresh))

    def quoted_anew(self, told: Told, reader: SentenceReader) -> Answer | None:
        """The same answer in the sentences that the reader's model finds best; None when those are the ones it has.

        A passage is not moved to the front when another document says something else than it: whether to answer at all in spite
        of that was settled for the passage that was first, and for it alone.
        """
        weighed = told.weighed
        choice = reader.choose(weighed.evidence, weighed.judgement) if weighed is not None else None
        if weighed is None or choice is None:
            return None
        judgement = choice.judgement
        if judgement.order[0] != weighed.judgement.order[0] and disagreements(weighed.evidence, judgement):
            judgement = weighed.judgement
        answer = self._quoted(replace(weighed, judgement=judgement), choice.worths)
        return None if answer == told.outcome else answer

    def _outdated(self, question: Question, retrieved: Retrieved, *, suffices: bool) -> Refusal | None:
        """The refusal when, all passages weighed together, a stale one is the source and no fresh one comes near it.

        With `suffices` the fresh passages alone would be answered from; that a much better source is stale then still
        speaks against them.
        """
        every = self._weigh(question, _with_stale(retrieved))
        if not (every.judgement.order and (suffices or self._suffices(every))):
            return None
        first = every.judgement.order[0]
        if not every.passage(first).stale or _fresh_comes_near(every, first):
            return None
        return stale(every.passage(first), self._places(every, (first,)), every.judgement.confidence)

    def _weigh(self, question: Question, retrieved: Retrieved) -> _Weighed:
        if not self._asks_the_model(retrieved):
            evidence = gather(question, retrieved, self._reader, self._encoder)
            return _Weighed(evidence, self._judge.judge(evidence))
        # The features were fitted on passages in their fused order.
        retrieved = in_fused_order(retrieved)
        evidence = gather(question, retrieved, self._reader, self._encoder)
        read = [retrieved.judged.get(passage.chunk.chunk_id) for passage in retrieved.passages]
        assert self._judged is not None, "Without the rule the features speak alone."
        return _Weighed(evidence, with_judgements(self._judge.judge(evidence), read, self._judged))

    def _asks_the_model(self, retrieved: Retrieved) -> bool:
        return self._judged is not None and bool(retrieved.judged)

    def _thresholds(self, retrieved: Retrieved) -> _Thresholds:
        return self._by_both if self._asks_the_model(retrieved) else self._by_features

    def _suffices(self, weighed: _Weighed) -> bool:
        judgement, least = weighed.judgement, self._thresholds(weighed.evidence.retrieved)
        return (
            bool(judgement.order)
            and judgement.in_scope >= least.scope
            and judgement.confidence >= least.answer
            and bool(quotes(weighed.evidence, judgement))
        )

    def _settle(self, weighed: _Weighed) -> Told:
        """The answer, unless sources of equal trust contradict each other; a source trusted more is followed."""
        for found in disagreements(weighed.evidence, weighed.judgement):
            first, second = (weighed.passage(side.place).chunk.trust.rank for side in (found.first, found.second))
            if first == second:
                return Told(conflicting(found.about, self._sides(weighed, found), weighed.judgement.confidence))
            kept, dropped = (found.first, found.second) if first > second else (found.second, found.first)
            weighed = replace(weighed, judgement=weighed.judgement.preferring(kept.place, over=dropped.place))
        return Told(self._quoted(weighed), weighed)

    def _quoted(self, weighed: _Weighed, worths: Worths | None = None) -> Answer:
        cited = quotes(weighed.evidence, weighed.judgement, worths)
        return Answer(
            claims=tuple(self._claim(weighed, quote) for quote in cited),
            confidence=round(weighed.judgement.confidence, 4),
        )

    def _refuse(self, weighed: _Weighed) -> Refusal:
        evidence, judgement = weighed.evidence, weighed.judgement
        if not judgement.order or (evidence.whole["covered_by_all"] == 0 and evidence.whole["dense_top"] < _UNRELATED_COSINE):
            return no_evidence()
        if judgement.in_scope < self._thresholds(evidence.retrieved).scope:
            return out_of_scope(judgement.confidence)
        missing = [term for term in evidence.question.terms if evidence.weights.of[term] and not _is_covered(term, evidence)]
        return insufficient(missing, self._places(weighed, judgement.order[:_MOST_CLOSEST]), judgement.confidence)

    def _claim(self, weighed: _Weighed, quote: Quote) -> Claim:
        passage = weighed.passage(quote.place)
        citation = cite(passage, passage.chunk.start + quote.start, passage.chunk.start + quote.end)
        # A claim that is its citation's quote, letter by letter, is wholly supported.
        return Claim(text=citation.quote, citations=(citation,), support=1.0)

    def _places(self, weighed: _Weighed, places: Iterable[int]) -> tuple[Citation, ...]:
        """The best unit of each of these passages, as citations; passages with nothing to quote are left out."""
        found = []
        for place in places:
            unit = best_unit(weighed.evidence, place)
            passage = weighed.passage(place)
            if unit is not None:
                found.append(cite(passage, passage.chunk.start + unit.start, passage.chunk.start + unit.end))
        return tuple(found)

    def _sides(self, weighed: _Weighed, found: Disagreement) -> tuple[Citation, ...]:
        return tuple(
            cite(passage, passage.chunk.start + side.unit.start, passage.chunk.start + side.unit.end)
            for side in (found.first, found.second)
            for passage in (weighed.passage(side.place),)
        )


def _fresh_comes_near(every: _Weighed, first: int) -> bool:
    """Whether a fresh passage is nearly as likely a source as the stale passage `first`, and speaks of the same things."""
    fresh = [place for place in every.judgement.order if not every.passage(place).stale]
    best = max((every.judgement.sources[place] for place in fresh), default=0.0)
    if best <= _NEAR_SHARE * every.judgement.sources[first]:
        return False
    analysed = every.evidence.analysed
    spoken_of = frozenset[str]().union(*(analysed[place].terms | analysed[place].heading_terms for place in fresh))
    only_stale = (analysed[first].terms | analysed[first].heading_terms) - spoken_of
    return every.evidence.weights.covered(only_stale) < _ONLY_STALE_SHARE


def _with_stale(retrieved: Retrieved) -> Retrieved:
    """The same retrieval as if nothing were stale: both kinds of passages in one ranking."""
    everything = sorted((*retrieved.passages, *retrieved.stale), key=lambda passage: (-passage.score, passage.chunk.chunk_id))
    return replace(retrieved, passages=tuple(everything[: max(1, len(retrieved.passages), len(retrieved.stale))]))


def _is_covered(term: str, evidence: Evidence) -> bool:
    return any(term in analysed.terms or term in analysed.heading_terms for analysed in evidence.analysed)


def cited_documents(outcome: Answer | Refusal) -> frozenset[DocumentId]:
    """Every document that the outcome shows anything of."""
    if isinstance(outcome, Answer):
        return frozenset(citation.document_id for claim in outcome.claims for citation in claim.citations)
    return frozenset(citation.document_id for citation in outcome.closest)
