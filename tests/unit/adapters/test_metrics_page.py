"""Every metric that is exported has a row in the reference, and every row is of a metric; dashboard and alerts use no other."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.contracts.store_rows import NOW, answer, run

from surefoot.adapters.prometheus_observer import PrometheusObserver
from surefoot.domain.actions import Risk
from surefoot.domain.feedback import Feedback, Opinion
from surefoot.domain.identity import TenantId
from surefoot.domain.offers import OfferedAction
from surefoot.domain.routing import Degraded
from surefoot.domain.verdicts import Verdict

ROOT = Path(__file__).parents[3]
ACME = TenantId("acme")
PAGE = ROOT / "docs" / "reference" / "metrics.md"
DASHBOARD = ROOT / "deploy" / "grafana" / "surefoot.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
OFFER = OfferedAction("pin_shortcut", "1.0.0", "Pin", {}, (), "You asked for it.", (), Risk.LOW, needs_approval=False)


def used(*, tenants: bool) -> PrometheusObserver:
    """An observer that has seen one of everything."""
    observer = PrometheusObserver(tenants=tenants)
    observer.replied(ACME, replace(answer("ans_1"), degraded=Degraded.DEADLINE, actions=(OFFER,)))
    observer.metered(ACME, "help", 0.5)
    observer.requested(ACME, "schedule_nudge", is_valid=True)
    observer.ran(ACME, run("a"))
    observer.called(ACME, run("a"), "apply", "unknown: timed out", 0.2)
    observer.judged({ACME: Verdict("ver_1", "run_1", ("sample",), NOW, ())}, NOW)
    observer.heard(ACME, "help", Feedback("ans_1", "viewer", Opinion.WRONG, NOW))
    return observer


def exported(*, tenants: bool = True) -> dict[str, tuple[str, set[str]]]:
    """Kind and labels of every metric by its documented name; moments of creation, which every counter has, left out."""
    found = {}
    for family in text_string_to_metric_families(used(tenants=tenants).exposition().decode()):
        if family.name.endswith("_created"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, {label for sample in family.samples for label in sample.labels} - {"le"})
    return found


def documented() -> dict[str, tuple[str, set[str]]]:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ]+) \| .+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (kind, set() if labels == "none" else set(labels.split(", "))) for name, kind, labels in rows}


def test_every_metric_has_a_row_with_its_kind_and_labels_and_every_row_a_metric() -> None:
    rows, series = documented(), exported()
    assert rows.keys() == series.keys()
    for name, (kind, labels) in series.items():
        # The label `tenant` is said once for all, and in the rows of those that are there for it alone.
        assert (kind, labels - {"tenant"}) == (rows[name][0], rows[name][1] - {"tenant"}), name
    only_by_tenant = exported().keys() - exported(tenants=False).keys()
    assert only_by_tenant == {name for name, (_, labels) in rows.items() if "tenant" in labels}


def names_in(expression: str) -> set[str]:
    """The metrics of ours that an expression reads, without the endings of a histogram's parts."""
    found = set(re.findall(r"\b(?:surefoot|process)_\w+", expression))
    return {name if name in exported() else re.sub(r"_(?:bucket|sum|count)$", "", name) for name in found}


def test_the_ratios_of_the_page_read_only_what_is_exported() -> None:
    expressions = re.findall(r"`((?:sum|histogram_quantile).+?)`", PAGE.read_text(encoding="utf-8"))
    assert len(expressions) >= 5
    assert set().union(*map(names_in, expressions)) - exported().keys() == set()


def panels(board: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for panel in board["panels"]:
        yield from panel.get("panels") or ([] if panel["type"] == "row" else [panel])


def test_every_panel_says_what_it_shows_in_which_unit_and_reads_only_what_is_exported() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert board["schemaVersion"] >= 38 and board["uid"] and board["title"]
    shown = list(panels(board))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) and len(shown) >= 12
    read: set[str] = set()
    for panel in shown:
        assert panel["title"] and panel["description"], panel["id"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert {"h", "w", "x", "y"} == panel["gridPos"].keys() and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert names_in(target["expr"]), target["expr"]
            assert target["expr"].count("(") == target["expr"].count(")")
            read |= names_in(target["expr"])
    assert read - exported().keys() == set()
    assert [each["name"] for each in board["templating"]["list"]] == ["datasource", "surface"]


def test_no_two_panels_lie_on_top_of_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


# What must be watched, and the metric by which.
WATCHED = {
    "SurefootSlowReplies": "surefoot_reply_seconds",
    "SurefootVerySlowReplies": "surefoot_reply_seconds",
    "SurefootCacheCold": "surefoot_reply_cache_total",
    "SurefootEscalatesOften": "surefoot_escalations_total",
    "SurefootFewQuoted": "surefoot_replies_total",
    "SurefootInvalidDrafts": "surefoot_drafts_total",
    "SurefootInvalidActions": "surefoot_action_requests_total",
    "SurefootReversals": "surefoot_runs_total",
    "SurefootUngrounded": "surefoot_claim_support",
    "SurefootUncited": "surefoot_claims_total",
    "SurefootRefusals": "surefoot_replies_total",
    "SurefootBudgetBurn": "surefoot_budget_share",
    "SurefootWrongSaid": "surefoot_feedback_total",
}


def test_there_is_an_alert_for_every_line_that_must_be_watched() -> None:
    rules = [rule for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    by_name = {rule["alert"]: rule for rule in rules}
    assert len(rules) == len(by_name) and by_name.keys() >= WATCHED.keys()
    for name, rule in by_name.items():
        assert names_in(rule["expr"]) and names_in(rule["expr"]) <= exported().keys(), name
        assert rule["expr"].count("(") == rule["expr"].count(")"), name
        assert re.fullmatch(r"\d+[mh]", rule["for"]), name
        assert rule["labels"]["severity"] in ("page", "ticket"), name
        assert rule["annotations"]["summary"] and rule["annotations"]["description"], name
    for name, metric in WATCHED.items():
        assert metric in names_in(by_name[name]["expr"]), name


@pytest.mark.parametrize("expression", ["sum(surefoot_no_such_thing_total)", "rate(surefoot_replies_bucket[5m])"])
def test_a_metric_that_is_not_there_is_noticed(expression: str) -> None:
    assert names_in(expression) - exported().keys()
