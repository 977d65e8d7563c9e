"""`surefoot eval`: data on stdout, progress on stderr, bad files named, exit codes as documented."""

import json
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from surefoot.cli.eval import holds
from surefoot.cli.main import app
from surefoot.evals.tasks.ask import Judgement
from surefoot.sample import golden
from tests.evidence_folder import evidence_folder

SECTIONS = [
    {"id": "/seats#add", "page": "/seats", "title": "Seats", "path": [], "heading": "How do I add a seat?", "is_faq": True}
    | {"text": "Open Billing, choose Seats and click Add seat. The new seat is charged from the same day on."},
    {"id": "/seats#remove", "page": "/seats", "title": "Seats", "path": [], "heading": "Remove a seat", "is_faq": False}
    | {"text": "Seats that nobody uses can be removed at the end of the billing period."},
    {"id": "/export", "page": "/export", "title": "Export", "path": [], "heading": "", "is_faq": False}
    | {"text": "Invoices are exported as CSV files from the Reports page."},
    {"id": "/secret#x", "page": "/secret", "title": "Dunning", "path": [], "heading": "Retries", "is_faq": False}
    | {"text": "A failed card payment is retried four times within two weeks.", "meta": {"private": True}},
]
QUESTIONS = [
    {"qid": "f1", "question": "How do I add a seat?", "gold_sections": ["/seats#add"], "gold_pages": ["/seats"]}
    | {"source": "faq_heading"},
    {"qid": "l1", "question": "exported invoices", "gold_sections": [], "gold_pages": ["/export"], "source": "link_anchor"}
    | {"linked_from": ["/seats"]},
    {"qid": "l2", "question": "failed payment retries", "gold_sections": [], "gold_pages": ["/secret"], "source": "link_anchor"},
    {"qid": "gone", "question": "the lost page", "gold_sections": [], "gold_pages": ["/lost"], "source": "link_anchor"},
]
# With /export gone these are refused for lack of evidence, which is what a model is asked for.
THIN = [
    {"qid": "t1", "question": "when can a failed payment and its invoices be exported", "gold_sections": []}
    | {"gold_pages": ["/export"], "source": "link_anchor"},
    {"qid": "t2", "question": "Can invoices of unused seats be exported?", "gold_sections": []}
    | {"gold_pages": ["/export"], "source": "link_anchor"},
]
FOREIGN = [{"question": "Who won the chess world championship in 1972?"}]
PAIRS = [
    {"claim": "A new seat is charged from the same day on.", "evidence": ["The new seat is charged from the same day on."]}
    | {"supported": True},
    {"claim": "Refunds take nine weeks.", "evidence": ["Invoices are exported as CSV files."], "supported": False},
]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No surefoot.toml or cache of the machine reaches the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def written(name: str, rows: Sequence[Any]) -> str:
    Path(name).write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return name


def surefoot(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", *arguments])


def retrieval(*more: str) -> Result:
    return surefoot("retrieval", "--sections", written("s.jsonl", SECTIONS), "--questions", written("q.jsonl", QUESTIONS), *more)


def test_the_evidence_model_is_switched_on_and_off_and_the_facts_say_which(tmp_path: Path) -> None:
    folder = evidence_folder(tmp_path / "evidence", rerank={"weight": 1.0, "top": 8, "early_exit_margin": 10.0})
    off, on = (json.loads(retrieval("--json", "--evidence-model", name).stdout) for name in ("off", f"onnx:{folder}"))
    assert off["evidence_model"] is None
    assert on["evidence_model"].startswith("onnx:tiny:")
    assert on["rerank"] == {"weight": 1.0, "top": 8, "early_exit_margin": 10.0}
    assert [row["mrr"] for row in on["rows"]] != [row["mrr"] for row in off["rows"]]
    pairs = written("p.jsonl", PAIRS)
    for name, judges in (("off", None), (f"onnx:{folder}", True)):
        found = json.loads(surefoot("groundedness", "--pairs", pairs, "--json", "--evidence-model", name).stdout)
        assert found.get("judges_support") is judges
        assert found["threshold"] == 0.55
    files = ("--sections", written("s.jsonl", SECTIONS), "--questions", written("q.jsonl", QUESTIONS))
    told = [json.loads(surefoot("answers", *files, "--json", "--evidence-model", n).stdout) for n in ("off", f"onnx:{folder}")]
    assert [any(each["stage"] == "evidence" for each in found["stage_times"]) for found in told] == [False, True]


@pytest.mark.parametrize("command", ["retrieval", "answers"])
def test_an_evidence_model_that_is_none_is_one_line(command: str) -> None:
    files = ("--sections", written("s.jsonl", SECTIONS), "--questions", written("q.jsonl", QUESTIONS))
    result = surefoot(command, *files, "--evidence-model", "maybe")
    assert result.exit_code == 2
    assert "evidence_model 'maybe' is unknown" in result.stderr


def test_retrieval_prints_one_json_document_with_the_facts_of_the_run() -> None:
    result = retrieval("--mask-faq-headings", "--json", "--dense-weight", "0.5", "--lexical-backend", "rank-bm25")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(row["source"], row["level"], row["n"]) for row in found["rows"]] == [
        ("faq_heading", "section", 1),
        ("faq_heading", "page", 1),
        ("link_anchor", "page", 2),
    ]
    assert all(row["mrr"]["value"] == 1.0 for row in found["rows"])
    assert found["left_out"] == ["gone"]
    assert (found["sections"], found["pages"], found["chunks"]) == (4, 3, 4)
    assert (found["dense_weight"], found["lexical_backend"], found["mask_faq_headings"]) == (0.5, "rank-bm25", True)


def test_a_second_run_encodes_nothing() -> None:
    first = json.loads(retrieval("--json").stdout)
    second = json.loads(retrieval("--json").stdout)
    assert (first["newly_encoded_chunks"], second["newly_encoded_chunks"]) == (4, 0)
    assert first["rows"] == second["rows"]


def test_the_cache_folder_can_be_chosen_and_is_named_on_stderr(tmp_path: Path) -> None:
    result = retrieval("--cache", str(tmp_path / "mine"))
    assert list((tmp_path / "mine").glob("*.vectors"))
    assert str(tmp_path / "mine") in result.stderr
    assert "nDCG@10" in result.stdout
    assert "newly encoded" not in result.stdout


def test_nothing_is_left_behind_in_the_working_folder() -> None:
    retrieval()
    assert sorted(path.name for path in Path().iterdir()) == ["cache", "q.jsonl", "s.jsonl"]


def test_answers_are_reported_for_gold_present_removed_and_foreign() -> None:
    result = surefoot(
        *("answers", "--sections", written("s.jsonl", SECTIONS), "--questions", written("q.jsonl", QUESTIONS)),
        *("--foreign-questions", written("f.jsonl", FOREIGN), "--json"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(row["source"], row["condition"], row["n"]) for row in found["rows"]] == [
        ("faq_heading", "present", 1),
        ("faq_heading", "removed", 1),
        ("link_anchor", "present", 2),
        ("link_anchor", "removed", 2),
        ("unstated", "foreign", 1),
    ]
    assert sum(row["answers_without_citation"] for row in found["rows"]) == 0
    assert all(row["answered"] + sum(row["refused"].values()) == row["n"] for row in found["rows"])
    stages = {row["stage"] for row in found["stage_times"]}
    assert stages == {"cache", "encode", "lexical", "dense", "fuse", "extract", "gate", "sentences", "offer", "total"}
    assert found["left_out"] == ["gone"]
    assert (found["model"], found["models"]["asked"], found["floors"]) == (None, 0, [])


def answers_with(model: str, *more: str) -> dict[str, Any]:
    result = surefoot(
        *("answers", "--sections", written("s.jsonl", SECTIONS), "--questions", written("q.jsonl", [*QUESTIONS, *THIN])),
        *("--model", model, "--escalate-floor", "0", "--json", *more),
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_answers_with_a_model_tell_what_it_was_asked_what_the_gate_said_and_what_it_cost() -> None:
    found = answers_with("scripted:honest", "--mask-faq-headings")
    use = found["models"]
    assert (found["model"], found["escalate_floor"], use["n"]) == ("scripted:honest", 0.0, 10)
    assert 0 < use["asked"] == sum(row["models"]["asked"] for row in found["rows"]) < 10
    assert use["answered_by"]["small"] == use["verdicts"]["accepted"] >= 1
    assert use["input_tokens"] > 100 * use["asked"]
    assert use["cost_usd"] > 0
    assert (use["answers_without_citation"], use["altered_quotes"]) == (0, 0)
    assert {row["floor"] for row in found["floors"]} >= {0.0, 0.35, 1.0}
    small = [tier for row in found["rows"] for tier in row["tiers"] if tier["tier"] == "small"]
    assert sum(tier["answered"] for tier in small) == use["answered_by"]["small"]


def test_a_model_behind_a_provider_on_this_machine_answers_the_same() -> None:
    near, far = (answers_with(model, "--mask-faq-headings") for model in ("scripted:honest", "loopback:honest"))
    for figure in ("answered_by", "verdicts", "asked"):
        assert near["models"][figure] == far["models"][figure]


def test_no_broken_model_makes_an_answer_without_citation_or_with_an_altered_quote() -> None:
    use = answers_with("scripted:chaos", "--mask-faq-headings")["models"]
    assert use["asked"] > 0
    assert set(use["verdicts"]) - {"accepted"}
    assert (use["answers_without_citation"], use["altered_quotes"]) == (0, 0)


def test_another_prompt_is_another_fingerprint_in_the_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "prompts"
    shutil.copytree(str(files("surefoot") / "prompts"), folder)
    monkeypatch.setenv("SUREFOOT_PROMPTS_DIR", str(folder))
    before = answers_with("scripted:honest")["prompt_fingerprint"]
    assert before == answers_with("scripted:obey")["prompt_fingerprint"]
    prompt = folder / "answer.md"
    prompt.write_text(prompt.read_text(encoding="utf-8").replace("one question", "a question"), encoding="utf-8")
    assert answers_with("scripted:honest")["prompt_fingerprint"] != before


def test_an_eval_asks_no_model_of_models_toml_on_its_own() -> None:
    policy = {"surface": {"help": {"small": ["paid"], "escalate_floor": 0.0}}}
    Path("models.toml").write_text(
        '[models.paid]\nmodel = "scripted/honest"\ntransport = "scripted"\n\n'
        f"[surfaces.help]\nsmall = {json.dumps(policy['surface']['help']['small'])}\nescalate_floor = 0.0\n",
        encoding="utf-8",
    )
    result = surefoot(
        *("answers", "--sections", written("s.jsonl", SECTIONS), "--questions", written("q.jsonl", THIN), "--json"),
    )
    assert json.loads(result.stdout)["models"]["asked"] == 0


def test_what_names_no_model_is_a_usage_error() -> None:
    assert surefoot("sample", "--model", "scripted:nobody").exit_code == 2


def test_limit_takes_the_same_sample_each_time() -> None:
    first, second = (json.loads(retrieval("--limit", "2", "--json").stdout) for _ in range(2))
    assert first["rows"] == second["rows"]
    assert len(first["left_out"]) + max(row["n"] for row in first["rows"]) <= 2


def test_groundedness_prints_its_figures() -> None:
    result = surefoot("groundedness", "--pairs", written("p.jsonl", PAIRS), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["n"], found["supported"]) == (2, 1)
    assert found["auroc"]["value"] == 1.0


def test_a_bad_row_is_named_by_file_and_line_and_is_a_usage_error() -> None:
    result = surefoot(
        *("retrieval", "--sections", written("s.jsonl", SECTIONS)),
        *("--questions", written("q.jsonl", [*QUESTIONS, {"qid": "bad"}])),
    )
    assert result.exit_code == 2
    assert "q.jsonl, line 5" in result.stderr
    assert result.stdout == ""


def test_a_file_that_is_not_there_is_a_usage_error() -> None:
    result = surefoot("groundedness", "--pairs", "absent.jsonl")
    assert result.exit_code == 2


def test_the_sample_suite_passes_a_floor_it_reaches_and_fails_one_it_does_not() -> None:
    result = surefoot("sample", "--floor", "0.1", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["ok"], found["leaked"]) == (0, True, 0)
    assert found["n"] == len(found["cases"]) == sum(row["cases"] for row in found["kinds"])
    assert found["passed"] == sum(case["passed"] for case in found["cases"]) < found["n"]
    assert (found["models"]["asked"], found["models"]["altered_quotes"]) == (0, 0)
    failed = surefoot("sample", "--floor", "1.0")
    assert failed.exit_code == 1
    assert "FAILED" in failed.stdout


def test_the_sample_suite_asks_the_model_it_is_given_and_says_so_of_each_case() -> None:
    result = surefoot("sample", "--floor", "0.1", "--model", "scripted:honest", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0, result.output
    assert (found["model"], found["leaked"], found["models"]["altered_quotes"]) == ("scripted:honest", 0, 0)
    drafts = [draft for case in found["cases"] for draft in case["drafts"]]
    assert len(drafts) == sum(found["models"]["verdicts"].values()) > 0
    assert found["models"]["asked"] == sum(bool(case["drafts"]) for case in found["cases"])
    text = surefoot("sample", "--floor", "0.1", "--model", "scripted:honest").stdout
    assert text.startswith("model scripted:honest, prompts ")
    assert f"asked a model for {found['models']['asked']} of {found['n']} questions" in text


def test_one_leak_fails_the_suite_whatever_the_floor() -> None:
    case = next(case for case in golden.golden_cases() if case.expect != "answer")
    refused = Judgement(case, answered=False, cites_gold=False, shows_facts=False, same_reason=True, leaked=())
    leaking = Judgement(case, answered=False, cites_gold=False, shows_facts=False, same_reason=True, leaked=("secret.md",))
    assert holds([refused, refused], 1.0)
    assert not holds([refused, leaking], 0.0)
    assert holds([refused, Judgement(case, True, False, False, False, ())], 0.5)
    assert not holds([refused, Judgement(case, True, False, False, False, ())], 0.6)
