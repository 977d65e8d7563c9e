"""Each site is judged by a model that has not seen it, and as the product would; what judges never chose, and never trained."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training.data import Asked, SiteIndex, load_site
from training.evidence_figures import Gain, _verdict, decided, record_of
from training.evidence_folds import DEV_SITES, FOLDS, JUDGED_SITES, training_sites
from training.evidence_heads import (
    AnswerLines,
    Line,
    Mixture,
    answer_table,
    fit_line_of,
    source_table,
)
from training.evidence_judged_claims import Claim, claim_use
from training.evidence_judged_lists import FAQ_MASKED, LINK_ANCHORS, ListRow, question_headings
from training.evidence_judges import Fitted, Judge, Judges, judged_by, pairs_for, refuse_what_was_learned
from training.evidence_judging import AskedList, Judging
from training.evidence_lists import RankedList, ranked_list
from training.evidence_measures import area, ranking_figures
from training.evidence_table import markdown
from training.evidence_veto import fit_veto, most_supported, with_veto
from training.fitting import auroc
from training.scifact import is_for_training
from training.support import Pair

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.assistant.answerability import Judgement
from surefoot.assistant.evidence_weighing import is_vetoed, with_judgements
from surefoot.ports import AnswersPart, AnswersRule, PassageJudgement, SourcePart, SupportJudgement, SupportRule
from tests.unit.test_training import SECTIONS


@pytest.fixture
def index(tmp_path: Path) -> SiteIndex:
    path = tmp_path / "small.sections.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, SECTIONS)).encode()))
    return SiteIndex(load_site(path, mask_faq=False), HashingEncoder())


def ranking(index: SiteIndex) -> RankedList:
    return ranked_list(index, Asked("export invoices as csv", ("/invoices#0",)), "present")


def test_a_mixture_without_weight_or_with_a_clear_lead_keeps_the_order(index: SiteIndex) -> None:
    one = ranking(index)
    against = -np.arange(len(one.texts), dtype=float)[::-1]
    assert Mixture(1.0, 0.0, 8, 9.0).ndcg(one, against) == one.ndcg()
    assert Mixture(1.0, 1.0, 8, 0.0).ndcg(one, against) == one.ndcg()
    assert Mixture(1.0, 1.0, 8, 9.0).ndcg(one, -against[::-1] * 0 + np.arange(len(one.texts))) < one.ndcg()


class Said:
    """Scores that are told, for pairs that are asked for."""

    def __init__(self, told: dict[str, tuple[float, ...]]) -> None:
        self._told = told

    def of(self, pairs: object) -> np.ndarray:
        return np.array([self._told[second] for _, second in pairs], dtype=float).reshape(-1, 5)  # type: ignore[attr-defined]


def test_answers_are_joined_here_as_the_product_joins_them() -> None:
    told = {"a": (2.0, 1.5, 0, 0, 0), "b": (-1.0, -2.0, 0, 0, 0), "c": (0.5, 0.2, 0, 0, 0)}
    mixture, temperature = Mixture(2.0, 0.1, 2, 0.5), 1.5
    one = AskedList("s", "present", "q", ("a", "b", "c"), (0.9, 0.8, 0.1), (0.4, -0.3, 0.2), (True, False, False), 0.7, 0.8)
    line = Line(("features", "best", "best_two"), -0.2, (0.9, 0.3, 0.1))
    source = Line(("features", "relevance", "answers"), -0.1, (0.8, 0.5, 0.2))
    lines = AnswerLines(temperature, line, line, source, 0.4, 0.3)
    part = AnswersPart(**line.record())
    rule = AnswersRule(part, part, 0.4, 0.3, SourcePart(**source.record()))
    judged = [
        PassageJudgement(told[text][0] / mixture.temperature, 1 / (1 + np.exp(-told[text][1] / temperature))) for text in "ab"
    ]
    sources = tuple(1 / (1 + np.exp(-np.array(one.sources))))
    theirs = with_judgements(Judgement(0.7, 0.8, (0, 2, 1), sources), [*judged, None], rule)
    table = answer_table([one], np.array([0.7]), Said(told), temperature, mixture)  # type: ignore[arg-type]
    assert lines.answerable.probability(table)[0] == pytest.approx(theirs.answerable, abs=1e-4)
    ours = source_table(one, Said(told), temperature, mixture)  # type: ignore[arg-type]
    assert source.probability(ours) == pytest.approx(theirs.sources, abs=1e-4)


@pytest.mark.parametrize("least", [0.1, 0.4, 0.9])
def test_a_claim_is_vetoed_here_as_the_product_vetoes_it(least: float) -> None:
    told = {"w1": (0, 0, 1.0, 0.4, 0.2), "w2": (0, 0, -2.0, 2.0, 0.0)}
    temperature = 1.3
    claim = Claim("edits", "s", "kept", False, "said", ("w1", "w2"), True, 0.6)
    most = most_supported([claim], Said(told), temperature)  # type: ignore[arg-type]
    windows = []
    for name in ("w1", "w2"):
        chance = np.exp(np.array(told[name][2:]) / temperature)
        windows.append(SupportJudgement(*(float(part) for part in chance / chance.sum())))
    assert most[0] == pytest.approx(max(window.supported for window in windows))
    ours = with_veto(np.array([0.6]), most, least, 0.5)[0] < 0.5
    assert ours == is_vetoed(windows, SupportRule(least=least))


def test_a_veto_is_fitted_that_costs_no_source_anything() -> None:
    def claims(source: str, supported: bool, n: int) -> list[Claim]:
        return [Claim(source, "s", "k", True, f"{source}{supported}{number}", ("w",), supported, 0.8) for number in range(n)]

    every = [*claims("a", True, 10), *claims("a", False, 10), *claims("b", True, 10), *claims("b", False, 10)]
    most = np.array([0.9] * 10 + [0.12] * 10 + [0.23] * 10 + [0.33] * 10)
    assert 0.12 < fit_veto(every, most, 0.5) <= 0.23, "from there on, source b loses what is supported"
    assert fit_veto(every[20:], np.array([0.01] * 10 + [0.9] * 10), 0.5) == 0.0, "a model that knows nothing has no veto"


def test_a_line_never_learns_a_forbidden_sign() -> None:
    table = np.random.default_rng(0).normal(size=(300, 2))
    labels = table[:, 0] - table[:, 1] > 0
    line = fit_line_of(table, labels, ("a", "b"), (1, 1), np.ones(300))
    assert line.weights[0] > 0
    assert line.weights[1] == 0.0


def test_what_chooses_and_what_judges_never_trained() -> None:
    pairs = [
        Pair(source, f"{source}-{number}", "claim", ("evidence",), supported=True)
        for source in ("scifact", "begin", "halueval")
        for number in range(200)
    ]
    uses = {use: [pair for pair in pairs if claim_use(pair) == use] for use in ("training", "choosing", "judging")}
    assert all(uses.values())
    assert not any(pair.held_out for pair in uses["training"])
    assert all(pair.held_out for pair in uses["judging"])
    assert all(is_for_training(pair.group) == (claim_use(pair) == "training") for pair in pairs if pair.source == "scifact")


def test_a_veto_that_refuses_paraphrases_is_not_fitted() -> None:
    """Every tenth paraphrase may be refused, however many untrue claims would be refused with them."""
    kept = [Claim("edits", "s", "kept", True, str(number), ("w",), True, 0.8) for number in range(20)]
    wrong = [Claim("edits", "s", "name", True, str(number), ("w",), False, 0.8) for number in range(20)]
    most = np.array([0.1] * 2 + [0.2] * 4 + [0.9] * 14 + [0.05] * 5 + [0.15] * 6 + [0.25] * 9)
    assert 0.15 < fit_veto([*kept, *wrong], most, 0.5) <= 0.2


class Learned:
    """The scores of a model that knows what it trained on, and takes the answer elsewhere for the worst passage."""

    def __init__(self, sites: tuple[str, ...]) -> None:
        self._sites = sites
        self.asked: set[tuple[str, str]] = set()

    def of(self, pairs: object) -> np.ndarray:
        wanted = list(pairs)  # type: ignore[call-overload]
        self.asked.update(wanted)
        knows = [(question.split()[0] in self._sites) == (text == "right") for question, text in wanted]
        return np.array([(4.0 if each else -4.0, 0, 0, 0, 0) for each in knows], dtype=float).reshape(-1, 5)


def lists_of(site: str, kind: str = FAQ_MASKED, n: int = 3) -> ListRow:
    one = RankedList("present", f"{site} question", ("wrong", "right"), (0.6, 0.5), ("a", "b"), frozenset("b"))
    return ListRow(site, kind, (one,) * n)


def judges(*, veto_below: float = 0.1) -> Judges:
    """A judge for every fold, and one for what ships, each knowing the sites that trained it."""
    mixture = Mixture(1.0, 0.5, 8, 1.1)

    line = Line(("features", "best", "best_two"), 0.0, (1.0, 0.0, 0.0))
    lines = AnswerLines(1.0, line, line, line, 0.5, 0.5)

    def one(fold: int | None) -> Judge:
        made = Fitted(mixture, {}, lines, 1.0, veto_below)
        return Judge(Learned(training_sites(fold)), made)  # type: ignore[arg-type]

    return Judges(tuple(one(number) for number in range(len(FOLDS))), one(None))


def test_no_site_is_judged_by_a_model_that_trained_on_it() -> None:
    figures = ranking_figures([lists_of(site) for site in JUDGED_SITES], judges())
    for site in JUDGED_SITES:
        row = figures[f"{site}: {FAQ_MASKED}"]
        assert row["model"] < 1.0, "only a model that has seen the site knows the answer"
    assert figures[f"all sites: {FAQ_MASKED}"]["gain"] <= 0


def test_a_site_judged_by_the_wrong_fold_would_show() -> None:
    right = judges()
    wrong = Judges(right.folds[::-1], right.shipped)
    figures = ranking_figures([lists_of(site) for site in JUDGED_SITES], wrong)
    assert all(figures[f"{site}: {FAQ_MASKED}"]["model"] == 1.0 for site in JUDGED_SITES)


def test_a_model_reads_what_it_judges_and_what_chooses_and_nothing_else() -> None:
    judging = Judging(tuple(lists_of(site) for site in (*JUDGED_SITES, *DEV_SITES, "SciFact")), (), ())
    for fold in (0, 1, None):
        read = {question.split()[0] for question, _ in pairs_for(judging, (), fold)}
        own = set(FOLDS[fold]) if fold is not None else {"SciFact"}
        assert read == own | set(DEV_SITES)
        assert all(judged_by(site, fold) for site in own)


def test_a_model_that_learned_what_it_is_to_judge_is_refused() -> None:
    text = "Invoices > Export\n" + " ".join(f"word{number}" for number in range(80))
    row = lists_of(FOLDS[0][0])
    own = ListRow(row.site, row.kind, (replace(row.lists[0], texts=(text, "Title\n" + text[::-1])),))
    judging = Judging((own,), (), ())
    refuse_what_was_learned(judging, 0, ["Title\n" + "other words " * 40])
    refuse_what_was_learned(judging, 1, [text])
    with pytest.raises(SystemExit, match=row.site):
        refuse_what_was_learned(judging, 0, [text.split("\n")[1]])


def test_what_people_asked_may_not_be_lower_and_few_made_questions_not_beyond_chance() -> None:
    surely, perhaps = (-0.05, -0.02), (-0.05, 0.02)
    fine = Gain("sites", 0.03, (0.01, 0.05), binds=True)
    assert _verdict([fine, Gain("few", -0.03, perhaps, binds=False)], 0.03)["ships"]
    assert not _verdict([fine, Gain("few", -0.03, surely, binds=False)], 0.03)["ships"]
    assert not _verdict([fine, Gain("asked", -0.011, perhaps, binds=True)], 0.03)["ships"]
    assert _verdict([fine, Gain("asked", -0.009, surely, binds=True)], 0.03)["ships"]
    assert not _verdict([fine], 0.0)["ships"], "no gain"


def figures(ranking: dict[str, float]) -> dict[str, object]:
    rows = {name: ranking_row(gain, name.split(": ")[0] in DEV_SITES) for name, gain in ranking.items()}
    answers = {"segment": {"chooses": False, "present vs removed": row(0.1) | {"features": 0.6, "model": 0.6, "together": 0.7}}}
    both = {name: {"balanced_accuracy": 0.7, "auroc": 0.8} for name in ("features", "model", "together")}
    support = {name: row(0.1) | both for name in ("scifact", "edits", "edits: segment")}
    kinds = {"kept": {"n": 3, "features": 0.9, "model": 0.9, "together": 0.9}}
    return {"ranking": rows, "answers": answers, "support": support | {"kinds of edits": kinds}}


def row(gain: float) -> dict[str, object]:
    return {"n": 9, "gain": gain, "interval": [gain - 0.01, gain + 0.01]}


def ranking_row(gain: float, chooses: bool) -> dict[str, object]:
    return row(gain) | {"chooses": chooses, "fused": 0.5, "model": 0.5, "mixture": 0.5 + gain, "exits": 0.1}


def test_what_chose_decides_nothing() -> None:
    gains = {f"segment: {FAQ_MASKED}": 0.04, f"flagsmith: {LINK_ANCHORS}": 0.0}
    dev = {"polar: headings masked": -0.5}
    assert decided(figures(gains | dev))["relevance"] == decided(figures(gains))["relevance"]
    assert decided(figures(gains))["relevance"]["ships"]
    assert not decided(figures(gains | {f"flagsmith: {LINK_ANCHORS}": -0.02}))["relevance"]["ships"]


def test_every_row_is_told_once_and_what_chose_apart() -> None:
    told = figures({f"segment: {FAQ_MASKED}": 0.04, f"flagsmith: {LINK_ANCHORS}": 0.02, "polar: headings masked": 0.1})
    joints = {"weight": 0.1, "early_exit_margin": 0.3, "veto_below": 0.15}
    record = {
        "manifest": {
            "rerank": {"weight": 0.1, "top": 8, "early_exit_margin": 0.3},
            "max_tokens": 192,
            "figures": told | {"decided": decided(told), "joints": {"ships": joints}},
        }
    }
    text = markdown(record)
    judged, chose = text.split("These rows chose")
    assert "| segment | 0 |" in judged
    assert f"| flagsmith: {LINK_ANCHORS} |" in judged
    assert "polar" not in judged
    assert "| polar: headings masked |" in chose


def test_all_sites_together_are_drawn_by_site_once_there_are_enough_of_them() -> None:
    few = ranking_figures([lists_of(site, n=1) for site in JUDGED_SITES[:3]], judges())[f"all sites: {FAQ_MASKED}"]
    many = ranking_figures([lists_of(site, n=1) for site in JUDGED_SITES[:4]], judges())[f"all sites: {FAQ_MASKED}"]
    assert (few["drawn again"], few["n"], few["sites"]) == ("questions", 3, 3)
    assert (many["drawn again"], many["n"], many["sites"]) == ("sites", 4, 4)


def test_a_heading_is_a_judging_question_when_it_asks_and_names_one_section(tmp_path: Path) -> None:
    headings = ["1. Can I export invoices?", "What is new here?", "What is new here?", "Why?", "Export invoices"]
    lines = [
        {"id": f"/a#{place}", "page": "/a", "title": "A", "path": [], "heading": heading, "text": f"Some text number {place}."}
        for place, heading in enumerate(headings)
    ]
    path = tmp_path / "small.sections.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    asked = question_headings(SiteIndex(load_site(path, mask_faq=False), HashingEncoder()))
    assert asked == [Asked("Can I export invoices?", ("/a#0",), is_pseudo=True)]


def test_what_ships_is_joined_as_its_own_model_was_and_without_a_veto_there_is_no_rule() -> None:
    told = figures({f"segment: {FAQ_MASKED}": 0.04})
    record = record_of(judges(), told)
    assert record["manifest"]["rerank"] == {"weight": 0.5, "top": 8, "early_exit_margin": 1.1}
    assert set(record["manifest"]["figures"]["joints"]) == {"fold 0", "fold 1", "ships"}
    assert record["heads"]["support"] == {"least": 0.1}
    assert record_of(judges(veto_below=0.0), told)["heads"]["support"] is None


def test_the_area_by_ranks_is_that_of_the_curve_and_ties_count_half() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        positive, negative = random.integers(0, 6, 9) / 5, random.integers(0, 6, 14) / 5
        assert area(positive, negative) == pytest.approx(auroc(positive, negative))
    assert np.isnan(area(np.array([]), np.ones(2)))
