"""The sample product at work: its backend answers on loopback, and here is what it takes to call it."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from surefoot.bootstrap import http_hosts
from surefoot.core.clock import Clock, SystemClock
from surefoot.domain.action_rules import ActionRules, HostAddress, TenantRules
from surefoot.domain.resource_actions import Document
from surefoot.ports import HostApp
from surefoot.sample.host_app import SampleHostApp, serve_host_app

_REF = "host_app"
# The name of the secret in an environment of this process alone; no variable of this name is ever read.
_VARIABLE = "SUREFOOT_SAMPLE_HOST_SECRET"
_REGION = "eu"
_MAX_DISCOUNT_PERCENT = 20.0
_CONSENTS = frozenset({"product_tips", "commercial_offers"})


@dataclass(frozen=True, slots=True)
class SampleHost:
    """The running backend. `rules` and `hosts` are what bootstrap.build takes, so that actions have their effect in `app`."""

    app: SampleHostApp
    url: str
    rules: ActionRules
    hosts: Mapping[str, HostApp]

    def state(self) -> dict[str, Document]:
        """Every document of production by its resource."""
        return self.app.state()

    def state_hash(self) -> str:
        """A fingerprint of all of production; equal states have equal ones."""
        return self.app.state_hash()


@contextmanager
def sample_host(folder: Path, clock: Clock | None = None) -> Iterator[SampleHost]:
    """The sample's backend with its state in `folder`, reached over signed HTTP while the block lasts."""
    clock = clock or SystemClock()
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    app = SampleHostApp(folder / "pennyfern.db", clock)
    try:
        with serve_host_app(app, secret) as url:
            rules = _rules(url)
            # Loopback is no other machine, so it is called offline too.
            yield SampleHost(app, url, rules, http_hosts(rules, clock, offline=False, environ={_VARIABLE: secret}))
    finally:
        app.close()


def _rules(url: str) -> ActionRules:
    tenant = TenantRules(region=_REGION, max_discount_percent=_MAX_DISCOUNT_PERCENT, consents=_CONSENTS)
    return ActionRules({_REF: HostAddress(url, _VARIABLE, region=_REGION)}, tenant)
