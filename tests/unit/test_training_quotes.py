"""How quotes are measured, and by what their rule is chosen and judged."""

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.data import SiteIndex, load_site, passage_alone
from training.evidence_quote_cases import CHOOSING, JUDGING, SEEN, CaseReader, QuoteCase, _by_sentence, _sentence_questions
from training.evidence_quote_rule import WIDEST, at_temperature, fit_rule, measured, pairs_of, table
from training.evidence_quotes import ALL_SITES, POOLED, Quoter, decided, figures_of, joined

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.adapters.onnx_evidence import OnnxEvidenceModel
from surefoot.ports import QuoteRule
from tests.evidence_folder import HEADS, evidence_folder
from tests.unit.test_training import SECTIONS

ENCODER = HashingEncoder()
FIRST = "The ancient theatre of the town was built of stone by its people long ago."
SECOND = "Its seats were carried away to build the harbour in the year 1321."
THIRD = "Nobody knows who wrote the first play that was given on its stage."
TEXT = f"{FIRST} {SECOND} {THIRD}"
# The first sentence alone is quoted by its features; all three come near enough to be read.
QUESTION = "theatre of the town, its harbour and its stage"
Said = Callable[[str], float]


class Told:
    """Scores that are told by a text's own words."""

    def __init__(self, relevance: Said) -> None:
        self._relevance = relevance

    def of(self, pairs: Iterable[tuple[str, str]]) -> Any:
        return np.array([[self._relevance(text), 0, 0, 0, 0] for _, text in pairs], dtype=float).reshape(-1, 5)


def case(
    gold: str, *, use: str = CHOOSING, source: str = "clapnq", fold: int | None = None, by_section: bool = False
) -> QuoteCase:
    start = TEXT.index(gold)
    retrieved = passage_alone("one", "Theatre", TEXT, QUESTION, 1.0, ENCODER)
    spans = [(0, start, start + len(gold))]
    made = CaseReader(ENCODER).case(source, use, QUESTION, retrieved, spans, fold=fold, by_section=by_section)
    assert made is not None
    return made


def scores(relevance: Said) -> Any:
    return Told(relevance)


THIRD_IS_BEST = scores(lambda text: 5.0 if THIRD in text else -5.0)
ALL = QuoteRule(weight=0.9, top=8, margin=9.0, source_margin=9.0)


def test_a_quote_is_measured_by_its_sentences() -> None:
    quality, precision, recall, first, quoted = measured(case(FIRST))
    assert (precision, recall, first, quoted) == (1.0, 1.0, 1.0, 1.0)
    assert quality == 1.0
    both = measured(case(f"{FIRST} {SECOND}"))
    assert both[1:] == (1.0, 0.5, 1.0, 1.0)
    assert both[0] == pytest.approx(2 / 3)
    assert measured(case(THIRD)) == (0.0, 0.0, 0.0, 0.0, 0.0)


def test_where_only_the_section_is_known_quality_is_precision() -> None:
    assert measured(case(f"{FIRST} {SECOND}", by_section=True))[0] == 1.0


def test_sentence_scores_change_what_is_shown_as_in_the_product() -> None:
    assert measured(case(THIRD), ALL, THIRD_IS_BEST)[3] == 1.0
    assert measured(case(THIRD), replace(ALL, weight=0.0), THIRD_IS_BEST) == measured(case(THIRD))
    assert {text for _, text in pairs_of([case(FIRST)])} <= {f"Theatre\n{told}" for told in (FIRST, SECOND, THIRD)}


def test_a_case_without_a_sentence_to_find_is_none() -> None:
    retrieved = passage_alone("one", "Theatre", TEXT, QUESTION, 1.0, ENCODER)
    assert CaseReader(ENCODER).case("clapnq", JUDGING, QUESTION, retrieved, [], fold=None) is None


def test_the_rule_is_the_one_that_quotes_best_and_none_that_makes_a_source_worse() -> None:
    wanted = [case(SECOND), case(SECOND, source="polar: sentences")]
    helpful = scores(lambda text: 5.0 if SECOND in text else -5.0)
    before = table(wanted)[:, 0].mean()
    rule, tried = fit_rule(wanted, helpful)
    assert rule.weight > 0
    assert table(wanted, rule, helpful)[:, 0].mean() > before
    assert tried
    torn = [*wanted, case(FIRST, source="metarank: sentences")]
    kept, _ = fit_rule(torn, helpful)
    assert table(torn, kept, helpful)[2, 0] >= table(torn)[2, 0] - 0.01
    assert fit_rule([case(FIRST)], THIRD_IS_BEST)[0] == WIDEST


def test_a_rule_of_raw_scores_says_the_same_of_scores_over_a_temperature() -> None:
    rule = at_temperature(replace(ALL, temperature=4.0, source_weight=0.3), 1.6)
    assert (rule.temperature, rule.source_weight) == (2.5, 0.48)
    shown = [case(THIRD).shown([])]
    assert shown == [[]]
    cooler = scores(lambda text: (5.0 if THIRD in text else -5.0) / 1.6)
    assert measured(case(THIRD), rule, cooler) == measured(case(THIRD), replace(ALL, temperature=4.0), THIRD_IS_BEST)


def test_each_site_is_judged_by_its_fold_s_model_and_the_rest_by_the_one_that_ships() -> None:
    right, wrong = Quoter(THIRD_IS_BEST, ALL, {}), Quoter(scores(lambda text: 5.0 if FIRST in text else -5.0), ALL, {})
    judged = [
        case(THIRD, use=JUDGING, source="segment: sentences", fold=0),
        case(THIRD, use=JUDGING, source="flagsmith: sentences", fold=1),
        case(THIRD, use=JUDGING),
        case(THIRD, use=SEEN, source="halueval"),
    ]
    rows = figures_of(judged, wrong, (right, wrong))
    assert rows["segment: sentences, judging"]["together"]["first"] == 1.0
    assert rows["flagsmith: sentences, judging"]["together"]["first"] == 0.0
    assert rows["clapnq, judging"]["together"]["first"] == 0.0
    assert rows[POOLED]["n"] == 3
    assert rows[ALL_SITES]["n"] == 2


def row(gain: float, low: float, high: float, *, use: str = JUDGING) -> dict[str, Any]:
    return {"n": 9, "use": use, "gain": gain, "interval": [low, high]}


@pytest.mark.parametrize(
    ("rows", "ships"),
    [
        ({POOLED: row(0.02, 0.01, 0.03)}, True),
        ({POOLED: row(0.02, 0.0, 0.04)}, False),
        ({POOLED: row(0.02, 0.01, 0.03), "clapnq, judging": row(-0.02, -0.1, 0.1)}, False),
        ({POOLED: row(0.02, 0.01, 0.03), ALL_SITES: row(-0.02, -0.1, 0.1)}, False),
        ({POOLED: row(0.02, 0.01, 0.03), "mcp: sentences, judging": row(-0.02, -0.1, 0.1)}, True),
        ({POOLED: row(0.02, 0.01, 0.03), "mcp: sentences, judging": row(-0.02, -0.03, -0.01)}, False),
        ({POOLED: row(0.02, 0.01, 0.03), "clapnq, choosing": row(-0.2, -0.3, -0.1, use=CHOOSING)}, True),
        ({"clapnq, choosing": row(0.2, 0.1, 0.3, use=CHOOSING)}, False),
    ],
)
def test_scores_ship_when_they_are_better_beyond_chance_and_no_row_is_lower(rows: dict[str, Any], ships: bool) -> None:
    assert decided(rows, ALL)["ships"] is ships
    assert not decided(rows, WIDEST)["ships"]


def test_the_part_of_the_record_is_read_by_the_product(tmp_path: Path) -> None:
    rows = {POOLED: row(0.02, 0.01, 0.03)}
    made = Quoter(THIRD_IS_BEST, replace(ALL, temperature=4.0, source_weight=0.5), {"tried": {}})
    record = {"heads": dict(HEADS), "manifest": {"temperature": {"relevance": 2.0}, "heads": {}, "figures": {"ranking": {}}}}
    whole = joined(record, made, rows, {"p50_ms": 1.0})
    assert whole["manifest"]["heads"]["quotes"] == {"ships": True}
    assert whole["manifest"]["figures"]["decided"]["quotes"]["worst_row"] == POOLED
    assert "ranking" in whole["manifest"]["figures"]
    rules = OnnxEvidenceModel(folder=evidence_folder(tmp_path, heads=whole["heads"])).rules
    assert rules.quotes == QuoteRule(weight=0.9, temperature=2.0, source_weight=1.0, top=8, margin=9.0, source_margin=9.0)
    assert joined({}, made, {POOLED: row(-0.1, -0.2, 0.0)}, {})["manifest"]["heads"]["quotes"] == {"ships": False}


def test_a_site_s_question_knows_the_sentence_that_it_was_made_from(tmp_path: Path) -> None:
    path = tmp_path / "small.sections.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, SECTIONS)).encode()))
    index = SiteIndex(load_site(path, mask_faq=False), ENCODER)
    made = list(_sentence_questions(index))
    assert made
    assert made == list(_sentence_questions(index))
    for question, at, start, end in made:
        assert question
        assert index.site.chunks[at].text[start:end].strip()
    for found in _by_sentence(index, CaseReader(ENCODER), use=JUDGING, fold=1):
        assert (found.use, found.fold, found.by_section) == (JUDGING, 1, False)
        assert found.gold <= set(found.worths)
