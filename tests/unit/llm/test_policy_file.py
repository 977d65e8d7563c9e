"""models.toml: what is said counts, what is not said is inherited, and every slip is found at the start, by name."""

from pathlib import Path

import pytest

from surefoot.core.errors import InvalidSettings
from surefoot.domain.answers import Tier
from surefoot.domain.budgets import Limit, Period
from surefoot.domain.identity import TenantId
from surefoot.domain.policies import NO_MODELS, BudgetRule, Endpoint, SurfacePolicy, Webhook
from surefoot.llm.policy_file import load_policy, parse_policy

WHOLE = """
[models.quick]
model = "mistral/small"
api_key_env = "MISTRAL_API_KEY"
input_usd_per_million = 0.1
output_usd_per_million = 0.3
cached_input_usd_per_million = 0.05
context_tokens = 64000
max_output_tokens = 2000
region = "eu"

[models.local]
model = "llama"
transport = "openai"
base_url = "http://127.0.0.1:8000/v1/"
json_schema = false
streaming = false

[models.big]
model = "anthropic/large"
api_key_env = "ANTHROPIC_API_KEY"
input_usd_per_million = 3
output_usd_per_million = 15
region = "us"

[surfaces.help]
small = ["quick", "local"]
large = ["big"]
deadline_seconds = 6
max_claims = 4

[surfaces.console]
small = ["local"]

[[budgets]]
usd = 20.5
period = "month"

[[budgets]]
tokens = 50000
period = "day"
surface = "console"
per_viewer = true

[webhook]
url = "https://hooks.example/surefoot"
secret_env = "HOOK_SECRET"

[tenants.acme]
region = "eu"
budgets = []

[tenants.acme.surfaces.help]
large = []
deadline_seconds = 3.5

[tenants.acme.surfaces.console]
small = ["quick"]

[tenants.acme.webhook]
url = "http://localhost:9000/hook"
secret_env = "ACME_SECRET"
"""
MODEL = '[models.a]\nmodel = "x/y"\n'
PRICED = MODEL + "input_usd_per_million = 1\noutput_usd_per_million = 2\n"


def refusal(text: str) -> str:
    with pytest.raises(InvalidSettings) as caught:
        parse_policy(text, "models.toml")
    return str(caught.value)


def test_the_catalog_holds_each_model_with_price_limits_and_endpoint() -> None:
    catalog = parse_policy(WHOLE, "models.toml").catalog
    quick, local = catalog["quick"], catalog["local"]
    assert (quick.card.name, quick.card.model, quick.card.region) == ("quick", "mistral/small", "eu")
    assert (quick.card.context_tokens, quick.card.max_output_tokens) == (64_000, 2_000)
    assert quick.card.price.cached_input_usd_per_million == 0.05
    assert quick.endpoint == Endpoint("litellm", "", "MISTRAL_API_KEY")
    assert local.endpoint == Endpoint("openai", "http://127.0.0.1:8000/v1", "")
    assert (local.card.json_schema, local.card.streaming, quick.card.json_schema) == (False, False, True)


def test_surfaces_state_their_lanes_and_limits_and_keep_the_usual_for_the_rest() -> None:
    surface = parse_policy(WHOLE, "models.toml").default.surface("help")
    assert surface.lanes == {Tier.SMALL: ("quick", "local"), Tier.LARGE: ("big",)}
    assert (surface.deadline_seconds, surface.max_claims) == (6.0, 4)
    assert surface.max_answer_characters == SurfacePolicy().max_answer_characters


def test_budgets_are_in_nano_dollars_or_tokens() -> None:
    assert parse_policy(WHOLE, "models.toml").default.budgets == (
        BudgetRule(Limit(nano_usd=20_500_000_000), Period.MONTH),
        BudgetRule(Limit(tokens=50_000), Period.DAY, "console", per_viewer=True),
    )


def test_a_tenant_inherits_what_it_does_not_state() -> None:
    policy = parse_policy(WHOLE + '\n[tenants.globex]\nregion = ""\n', "models.toml")
    globex = policy.of(TenantId("globex"))
    assert globex == policy.default
    assert policy.of(TenantId("unheard-of")) is policy.default


def test_a_tenant_states_single_keys_of_a_surface_and_inherits_the_others() -> None:
    help_surface = parse_policy(WHOLE, "models.toml").of(TenantId("acme")).surface("help")
    assert (help_surface.deadline_seconds, help_surface.max_claims) == (3.5, 4)


def test_an_empty_list_takes_an_inherited_lane_or_budget_away() -> None:
    acme = parse_policy(WHOLE, "models.toml").of(TenantId("acme"))
    assert Tier.LARGE not in acme.surface("help").lanes
    assert acme.budgets == ()
    assert acme.webhook == Webhook("http://localhost:9000/hook", "ACME_SECRET")


def test_the_lanes_of_a_tenant_with_a_region_hold_only_models_that_state_it() -> None:
    assert parse_policy(WHOLE, "models.toml").of(TenantId("acme")).surface("help").lanes == {Tier.SMALL: ("quick",)}


def test_a_region_that_leaves_a_lane_without_a_model_is_refused_with_both_ways_out() -> None:
    said = refusal(MODEL + '[surfaces.help]\nsmall = ["a"]\n[tenants.acme]\nregion = "eu"\n')
    assert "tenants.acme.region" in said
    assert "`small = []`" in said
    assert "'eu'" in said


def test_the_surface_help_always_exists() -> None:
    assert parse_policy("", "models.toml") == NO_MODELS
    assert set(parse_policy("[surfaces.chat]\n", "models.toml").default.surfaces) == {"help", "chat"}


def test_without_a_file_there_are_no_models(tmp_path: Path) -> None:
    assert load_policy(tmp_path / "models.toml") is NO_MODELS


def test_a_file_is_read_and_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(WHOLE, encoding="utf-8")
    assert load_policy(path) == parse_policy(WHOLE, "elsewhere")
    path.write_text("nonsense = 1\n", encoding="utf-8")
    with pytest.raises(InvalidSettings, match=str(path)):
        load_policy(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSettings, match="UTF-8"):
        load_policy(path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[models.a", "not valid TOML"),
        ("[model.a]\n", "model: there is no such key; known here are surfaces"),
        (MODEL + "colour = 1\n", "models.a.colour: there is no such key; known here are model, transport"),
        ("[surfaces.help]\nsmal = []\n", "surfaces.help.smal"),
        ("[tenants.acme]\nregions = 'eu'\n", "tenants.acme.regions: there is no such key; known here are surfaces"),
        ("[tenants.acme.surfaces.help]\nx = 1\n", "tenants.acme.surfaces.help.x: there is no such key; known here are small"),
        ("[[budgets]]\nperiod = 'day'\nusd = 1\neuro = 2\n", "budgets[0].euro"),
        (MODEL + "input_usd_per_million = -1\n", "models.a.input_usd_per_million"),
        (MODEL + "input_usd_per_million = nan\n", "models.a.input_usd_per_million"),
        (MODEL + "input_usd_per_million = inf\n", "models.a.input_usd_per_million"),
        (MODEL + "context_tokens = 0\n", "models.a.context_tokens"),
        (MODEL + "max_output_tokens = '9'\n", "models.a.max_output_tokens"),
        ("[[budgets]]\nperiod = 'day'\ntokens = -1\n", "budgets[0].tokens"),
        ("[[budgets]]\nperiod = 'week'\nusd = 1\n", "budgets[0].period"),
        ("[[budgets]]\nperiod = 'day'\n", "state usd, tokens or both"),
        ("[surfaces.help]\ndeadline_seconds = 0\n", "surfaces.help.deadline_seconds"),
        ("[surfaces.help]\nescalate_floor = 1.5\n", "surfaces.help.escalate_floor"),
        ("[models.a]\n", "models.a.model"),
        ("[models.a]\nmodel = 'gpt'\n", "provider/name"),
        ("[models.'a b']\nmodel = 'x/y'\n", "models.a b"),
        (MODEL + "transport = 'telnet'\n", "models.a.transport"),
        (MODEL + "transport = 'openai'\n", "models.a.base_url"),
        (MODEL + "base_url = 'ftp://x'\n", "models.a.base_url"),
        (MODEL + "base_url = 'https://[x'\n", "models.a.base_url"),
        (MODEL + "cached_input_usd_per_million = 1\n", "models.a.cached_input_usd_per_million"),
        (MODEL + "input_usd_per_million = 1\n", "output_usd_per_million as well"),
        (PRICED + "[surfaces.help]\nsmall = ['b']\n", "surfaces.help.small: there is no [models.b]; the catalog has a."),
        (PRICED + "[surfaces.help]\nsmall = ['a', 'a']\n", "names a model twice"),
        ("[tenants.acme.surfaces.help]\nlarge = ['b']\n", "tenants.acme.surfaces.help.large: there is no [models.b]"),
        ("[tenants.'Not A Tenant']\n", "tenants.Not A Tenant"),
        ("[[budgets]]\nperiod = 'day'\ntokens = 1\nsurface = 'chat'\n", "no surface 'chat'; declared are help."),
        ("[[tenants.acme.budgets]]\nperiod = 'day'\ntokens = 1\nsurface = 'chat'\n", "tenants.acme.budgets[0].surface"),
        ("[[budgets]]\nperiod = 'day'\ntokens = 1\n" * 2, "budgets[1]: another budget has the same period"),
        ("[webhook]\nurl = 'http://hooks.example/x'\nsecret_env = 'S'\n", "webhook.url: a secret would travel in the clear"),
        ("[webhook]\nurl = 'https://hooks.example/x'\n", "webhook.secret_env"),
    ],
)
def test_a_slip_is_refused_with_file_key_and_remedy(text: str, named: str) -> None:
    said = refusal(text)
    assert said.startswith("models.toml")
    assert named in said


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_a_key_may_go_unencrypted_to_this_machine_only(host: str) -> None:
    text = MODEL + "api_key_env = 'K'\nbase_url = 'http://{}:1/v1'\n"
    assert parse_policy(text.format(host), "models.toml").catalog["a"].endpoint.base_url == f"http://{host}:1/v1"
    for elsewhere in ("llm.example", "10.0.0.5", "localhost.example", "0.0.0.0"):
        assert "in the clear" in refusal(text.format(elsewhere))


def test_a_server_in_the_house_may_be_reached_without_a_key() -> None:
    assert parse_policy(MODEL + "base_url = 'http://10.0.0.5:11434'\n", "models.toml").catalog["a"].endpoint.api_key_env == ""


@pytest.mark.parametrize(
    "text",
    [
        MODEL + "api_key_env = 'sk-SECRET'\n",
        MODEL + "api_key = 'sk-SECRET'\n",
        MODEL + "api_kye = 'sk-SECRET'\n",
        MODEL + "api_key_env = ['sk-SECRET']\n",
        MODEL + "transport = 'sk-SECRET'\n",
        MODEL + "base_url = 'https://me:sk-SECRET@llm.example'\n",
        MODEL + "base_url = 'https://llm.example/?key=sk-SECRET'\n",
        "[webhook]\nurl = 'https://hooks.example'\nsecret_env = 'sk-SECRET'\n",
        "[webhook]\nurl = 'https://hooks.example'\nsecret = 'sk-SECRET'\nsecret_env = 'S'\n",
    ],
)
def test_a_secret_that_was_pasted_in_is_refused_and_not_repeated(text: str) -> None:
    assert "SECRET" not in refusal(text).replace("secret_env", "")


def test_a_money_budget_needs_a_price_for_every_model_that_is_not_on_this_machine() -> None:
    budget = "[[budgets]]\nusd = 1\nperiod = 'day'\n"
    assert "models.a: it has no price" in refusal(MODEL + budget)
    assert "models.a: it has no price" in refusal(MODEL + "[[tenants.acme.budgets]]\nusd = 1\nperiod = 'day'\n")
    for metered in (
        PRICED,
        MODEL + "base_url = 'http://127.0.0.1:1'\n",
        "[models.a]\nmodel = 'honest'\ntransport = 'scripted'\n",
    ):
        assert parse_policy(metered + budget, "models.toml").default.budgets
    assert parse_policy(MODEL + "input_usd_per_million = 0\noutput_usd_per_million = 0\n" + budget, "models.toml").default.budgets
    assert parse_policy(MODEL + "[[budgets]]\ntokens = 1\nperiod = 'day'\n", "models.toml").default.budgets


def test_environment_variables_are_named_and_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", "sk-not-to-be-seen")
    assert "sk-not-to-be-seen" not in repr(parse_policy(WHOLE, "models.toml"))
