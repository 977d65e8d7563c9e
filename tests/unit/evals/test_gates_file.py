"""gates.toml: what is said counts, and every defect is refused with a sentence that says what to do."""

import json
import re
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest

from surefoot.core.errors import InvalidEvalSet
from surefoot.domain.verdicts import EVERY_SURFACE
from surefoot.evals.figures import METRICS
from surefoot.evals.gates_file import Bound, Gate, GateFile, Limit, gates_schema, load_gates, parse_gates
from surefoot.evals.measures import MEASURES

ROOT = Path(__file__).parent.parent.parent.parent
SCHEMA = ROOT / "eval_sets" / "gates.schema.json"
WHOLE = """
format = 1
valid_days = 7

[gates.no-leaks]
metric = "sum.leaked"
where = { task = "ask" }
at_most = 0
min_n = 50
level = "blocking"
why = "nothing hidden"

[gates.as-fast]
metric = "p95.latency_ms"
where = { task = "ask", locale = "de" }
max_rise = "30 %"
min_n = 20
bound = "low"
level = "warning"
surfaces = ["help", "console"]
why = "people wait"

[gates.pins]
metric = "share.right_arguments"
where = { task = "act", action = "pin_shortcut" }
at_least = 0.9
min_n = 5
level = "blocking"
why = "unattended"
"""
GOOD = '[gates.g]\nmetric = "share.passed"\nat_least = 0.5\nmin_n = 1\nlevel = "blocking"\nwhy = "w"\n'


def test_a_file_is_read_whole() -> None:
    assert parse_gates(WHOLE, "gates.toml") == GateFile(
        (
            Gate(
                "no-leaks",
                "sum.leaked",
                {"task": "ask"},
                Limit.AT_MOST,
                0.0,
                False,
                50,
                Bound.VALUE,
                True,
                ("*",),
                "nothing hidden",
            ),
            Gate(
                "as-fast",
                "p95.latency_ms",
                {"task": "ask", "locale": "de"},
                Limit.MAX_RISE,
                0.3,
                True,
                20,
                Bound.LOW,
                False,
                ("help", "console"),
                "people wait",
            ),
            Gate(
                "pins",
                "share.right_arguments",
                {"task": "act", "action": "pin_shortcut"},
                Limit.AT_LEAST,
                0.9,
                False,
                5,
                Bound.VALUE,
                True,
                (),
                "unattended",
            ),
        ),
        valid_days=7,
    )


def test_a_suites_gates_are_over_its_own_cases_and_carry_its_name() -> None:
    (gate,) = parse_gates(GOOD, "gates.toml", suite="sample").gates
    assert (gate.gate_id, gate.where, gate.surfaces) == ("sample.g", {"suite": "sample"}, (EVERY_SURFACE,))


DEFECTS = [
    ("gates = ", "gates.toml is not valid TOML"),
    ("", "gates: it is missing. By id, the gates."),
    ("[gates]\n", "gates: there is none, so nothing would ever be stopped; write one as [gates.no-leaks]"),
    ("fromat = 1\n" + GOOD, "fromat: there is no such key; known here are format, valid_days, gates"),
    ("format = 2\n" + GOOD, "format: Input should be 1; got 2"),
    ("valid_days = 0\n" + GOOD, "valid_days: Input should be greater than or equal to 1; got 0"),
    (GOOD.replace("[gates.g]", "[gates.No_Leaks]"), "gates.No_Leaks: a gate's id takes 1 to 63 of a-z, 0-9 and -"),
    (GOOD + "max_n = 3\n", "gates.g.max_n: there is no such key; known here are metric, where, at_least"),
    (GOOD.replace('why = "w"\n', ""), "gates.g.why: it is missing. What the gate is there for, in a sentence."),
    (GOOD.replace('"w"', '" "'), "gates.g.why: String should match"),
    (GOOD.replace("min_n = 1\n", ""), "gates.g.min_n: it is missing. With fewer cases the gate is neither passed nor failed."),
    (GOOD.replace("min_n = 1", "min_n = 0"), "gates.g.min_n: Input should be greater than or equal to 1; got 0"),
    (GOOD.replace("blocking", "red"), "gates.g.level: Input should be 'blocking' or 'warning'; got 'red'"),
    (GOOD + 'bound = "upper"\n', "gates.g.bound: Input should be 'value', 'low' or 'high'; got 'upper'"),
    (GOOD.replace("at_least = 0.5", 'at_least = "0.5"'), "gates.g.at_least: Input should be a valid number; got '0.5'"),
    (
        GOOD.replace("at_least = 0.5\n", ""),
        "gates.g: it takes exactly one of at_least, at_most, max_drop and max_rise; said is none",
    ),
    (GOOD + "max_drop = 0.1\n", "said is at_least and max_drop"),
    (GOOD.replace("share.passed", "share.pased"), "gates.g.metric: there is no metric 'share.pased'; there are share.passed"),
    (GOOD.replace("share.passed", "mean.passed"), "passed is yes or no, so there are share.passed, sum.passed"),
    (
        GOOD.replace("share.passed", "share.groundedness"),
        "groundedness is a number, so there are mean.groundedness, sum.groundedness",
    ),
    (GOOD.replace("share.passed", "risk_at_0.33"), "there is no metric 'risk_at_0.33'; there are risk_at_0.3"),
    (GOOD.replace("share.passed", "share.leaked"), "share.leaked is better the lower it is; use at_most"),
    (GOOD.replace("at_least", "at_most"), "share.passed is better the higher it is; use at_least"),
    (GOOD.replace("share.passed", "p95.latency_ms").replace("at_least", "max_drop"), "better the lower it is; use max_rise"),
    (GOOD.replace("at_least", "max_rise"), "better the higher it is; use max_drop"),
    (GOOD.replace("0.5", "84"), "share.passed lies within 0 and 1; write 84 % as 0.84"),
    (GOOD.replace("0.5", "-0.1"), "share.passed lies within 0 and 1"),
    (GOOD.replace("0.5", "nan"), "it takes a finite number"),
    (GOOD.replace("0.5", "0"), "so the gate could never fail; ask for more"),
    (GOOD.replace("share.passed", "share.leaked").replace("at_least = 0.5", "at_most = 1"), "the gate could never fail"),
    (
        GOOD.replace("share.passed", "mean.offers").replace("0.5", "0"),
        "mean.offers is never below 0, so the gate could never fail",
    ),
    (GOOD.replace("at_least = 0.5", "max_drop = -0.1"), "it takes 0 or more; a change that is wanted is no gate"),
    (GOOD.replace("at_least = 0.5", "max_drop = 1"), "the gate could never fail"),
    (GOOD.replace("at_least = 0.5", 'max_drop = "100%"'), "can never fall by all of it or more, so the gate could not fail"),
    (
        GOOD.replace("at_least = 0.5", 'max_drop = "a bit"'),
        "it takes a finite number, or for a share of the baseline a text such as '10%'",
    ),
    (GOOD.replace("share.passed", "sum.passed") + 'bound = "low"\n', "gates.g.bound: sum.passed is a sum and has no interval"),
    (
        GOOD + 'where = { task = "chat" }\n',
        "gates.g.where: there is no task 'chat'; there are ask, retrieve, support, act, policy",
    ),
    (GOOD + 'where = { "A b" = "x" }\n', "'A b' cannot be a slice's name; it takes a-z, 0-9 and _"),
    (GOOD + 'where = { kind = "" }\n', "gates.g.where.kind: String should have at least 1 character"),
    (GOOD + "where = { kind = 3 }\n", "gates.g.where.kind: Input should be a valid string; got 3"),
    (GOOD + "surfaces = []\n", "it names none, so the gate would speak for nothing; leave it out to speak for all"),
    (GOOD + 'surfaces = ["the help"]\n', "'the help' cannot be a surface's name"),
]


@pytest.mark.parametrize(("text", "sentence"), DEFECTS, ids=[sentence[:60] for _, sentence in DEFECTS])
def test_every_defect_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidEvalSet) as refused:
        parse_gates(text, "gates.toml")
    assert str(refused.value).startswith("gates.toml")
    assert sentence in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidEvalSet, match=r"absent\.toml cannot be read"):
        load_gates(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidEvalSet, match="cannot be read as UTF-8"):
        load_gates(tmp_path / "latin.toml")


def test_the_committed_schema_is_the_generated_one() -> None:
    """To write it anew: json.dumps(gates_schema(), indent=2) and a line end."""
    assert SCHEMA.read_text(encoding="utf-8") == json.dumps(gates_schema(), indent=2) + "\n"


def test_the_schema_accepts_what_is_read_and_refuses_an_unknown_key() -> None:
    validator = jsonschema_rs.Draft202012Validator(gates_schema())
    assert validator.is_valid(tomllib.loads(WHOLE))
    assert not validator.is_valid(tomllib.loads(GOOD + "max_n = 3\n"))


def test_the_reference_page_lists_every_measure_with_its_kind_and_meaning_and_every_joint_metric() -> None:
    text = (ROOT / "docs" / "reference" / "gates-toml.md").read_text(encoding="utf-8")
    kinds = {"score": "number, 0..1", "ms": "number, milliseconds", "usd": "number, US dollars", "count": "number"}
    expected = [
        f"| `{name}` | {'share' if facts.is_truth else kinds[facts.unit]} | {facts.better} | {facts.says} |"
        for name, facts in MEASURES.items()
    ]
    assert re.findall(r"^\| `\w+` \| (?:share|number).*$", text, re.MULTILINE) == expected
    named = set(re.findall(r"`([a-z0-9_.]+)`", text))
    assert {name for name in METRICS if METRICS[name].family in ("auroc", "balanced_accuracy", "cost_per_success")} <= named


def sample_cases() -> list[dict[str, object]]:
    folder = ROOT / "eval_sets" / "sample"
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{"task": "ask", **json.loads(line)} for line in lines if line.strip()]


def test_every_gate_of_the_sample_suite_has_enough_cases_to_speak() -> None:
    cases = sample_cases()
    gates = load_gates(ROOT / "eval_sets" / "sample" / "gates.toml").gates
    assert gates
    for gate in gates:
        own = [case for case in cases if all(case.get(name) == value for name, value in gate.where.items())]
        assert len(own) >= gate.min_n, gate.gate_id


def test_the_sample_suite_blocks_on_every_promise() -> None:
    gates = load_gates(ROOT / "eval_sets" / "sample" / "gates.toml").gates
    never = {gate.metric for gate in gates if gate.is_blocking and gate.limit is Limit.AT_MOST and gate.amount == 0}
    assert never >= {"sum.leaked", "sum.uncited", "sum.altered_quote", "sum.said_forbidden", "sum.error"}
