"""A long section never stands among the wrong passages of its own question, and the two surest passages are two, not all."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from training.data import SiteIndex, load_site
from training.evidence_groups import Wanted, _group
from training.evidence_heads import Mixture, answer_table
from training.evidence_judging import AskedList

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.assistant.answerability import Judgement
from surefoot.assistant.evidence_weighing import with_judgements
from surefoot.ports import AnswersPart, AnswersRule, PassageJudgement

PARAGRAPHS = "\n\n".join(f"Refund rule {n}: {' '.join(f'word{n}x{m}' for m in range(120))}." for n in range(6))


def test_no_part_of_the_gold_section_is_a_wrong_passage(tmp_path: Path) -> None:
    sections = [("/refunds#0", "Refund rules", PARAGRAPHS), ("/refunds#1", "Other", "Refund rule for others, in one short line.")]
    lines = [
        {"id": name, "page": "/refunds", "title": "Refunds", "path": [], "heading": heading, "text": text}
        for name, heading, text in sections
    ]
    path = tmp_path / "long.sections.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    index = SiteIndex(load_site(path, mask_faq=False), HashingEncoder())
    rows = index.site.rows_of(["/refunds#0"])
    assert len(rows) > 2
    parts = {index.site.chunks[row].text for row in rows}
    for seed in range(10):
        group = _group(index, Wanted("heading", "refund rule", rows[0], hide_page=False), np.random.default_rng(seed))
        wrong = [text for text, is_gold in zip(group.passages, group.gold, strict=True) if not is_gold]
        assert not any(part in text for part in parts for text in wrong)


class Said:
    """Scores that are told, for pairs that are asked for."""

    def __init__(self, answers: dict[str, float]) -> None:
        self._answers = answers

    def of(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        return np.array([(0.0, self._answers[text], 0.0, 0.0, 0.0) for _, text in pairs])


def test_the_two_surest_of_three_passages_speak_as_they_do_in_the_product() -> None:
    told = {"a": -1.0, "b": 2.0, "c": 0.5}
    one = AskedList("s", "present", "q", tuple(told), (0.9, 0.8, 0.7), (0.0, 0.0, 0.0), (True, False, False), 0.7, 0.8)
    table = answer_table([one], np.array([0.7]), Said(told), 1.0, Mixture(1.0, 0.1, 3, 0.5))  # type: ignore[arg-type]
    assert table[0, 1:].tolist() == pytest.approx([2.0, 1.25], abs=1e-6)
    part = AnswersPart(bias=0.0, features=0.0, best=0.0, best_two=1.0)
    judged = [PassageJudgement(0.0, 1 / (1 + np.exp(-said))) for said in told.values()]
    theirs = with_judgements(Judgement(0.7, 0.8, (0, 1, 2), (0.5, 0.5, 0.5)), judged, AnswersRule(part, part, 0.4, 0.3))
    assert theirs.answerable == pytest.approx(1 / (1 + np.exp(-1.25)), abs=1e-6)
