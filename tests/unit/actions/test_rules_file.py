"""actions.toml is read strictly."""

from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from surefoot.actions.rules_file import load_rules, parse_rules
from surefoot.core.errors import InvalidSettings
from surefoot.domain.action_rules import NO_RULES, HostAddress, WeekHours
from surefoot.domain.identity import TenantId

WHOLE = """
zone = "Europe/Berlin"
consents = ["product_tips"]
max_discount_percent = 10.0
quiet_hours = [{begin = "22:00", end = "07:00"}]
change_windows = [{begin = "09:00", end = "16:00", days = ["mon", "tue"]}]

[hosts.host_app]
url = "http://127.0.0.1:9000"
secret_env = "HOST_SECRET"
region = "eu"

[tenants.acme]
incident_open = true
consents = []
holdouts = ["usr_zz"]
"""


def test_every_key_is_read_and_a_tenant_inherits_what_it_does_not_say() -> None:
    rules = parse_rules(WHOLE, "actions.toml")
    usual, acme = rules.default, rules.of(TenantId("acme"))
    assert rules.hosts == {"host_app": HostAddress("http://127.0.0.1:9000", "HOST_SECRET", "eu")}
    assert usual.zone == ZoneInfo("Europe/Berlin") == acme.zone
    assert usual.quiet_hours == (WeekHours(time(22), time(7)),) == acme.quiet_hours
    assert usual.change_windows == (WeekHours(time(9), time(16), frozenset({0, 1})),)
    assert (usual.consents, acme.consents) == ({"product_tips"}, frozenset())
    assert (usual.incident_open, acme.incident_open) == (False, True)
    assert acme.holdouts == {"usr_zz"}
    assert rules.of(TenantId("other")) == usual


def test_without_a_file_nothing_is_reached_and_nothing_consented(tmp_path: Path) -> None:
    assert load_rules(tmp_path / "actions.toml") == NO_RULES
    assert NO_RULES.default.consents == frozenset()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zone = 'Mars/Olympus'", "Mars/Olympus"),
        ("zone = '../../etc/passwd'", "no time zone"),
        ("colour = 'red'", "colour"),
        ("max_discount_percent = 101.0", "max_discount_percent"),
        ("quiet_hours = [{begin = '25:00', end = '07:00'}]", "25:00"),
        ("quiet_hours = [{begin = '22:00', end = '07:00', days = ['someday']}]", "someday"),
        ("[hosts.host_app]\nurl = 'ftp://x'\nsecret_env = 'A'", "hosts.host_app.url"),
        ("[hosts.host_app]\nurl = 'https://user:pw@x'\nsecret_env = 'A'", "hosts.host_app.url"),
        ("[hosts.host_app]\nurl = 'https://x'\nsecret = 'whsec_x'", "secret"),
        ("[tenants.'A B']\nincident_open = true", "A B"),
        ("zone = ", "TOML"),
    ],
)
def test_a_slip_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidSettings, match="(?s)actions.toml.*" + said.replace(".", "[.]")):
        parse_rules(text, "actions.toml")
