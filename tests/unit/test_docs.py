"""What README and docs say is true: commands exist, code runs, links lead somewhere, tables match the program."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.exceptions import TyperException

from surefoot.actions.rules_file import parse_rules
from surefoot.core.settings import Settings
from surefoot.evals.gates_file import parse_gates
from surefoot.llm.policy_file import parse_policy
from surefoot.retrieval.readers.formats import EXTENSIONS

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

# The words of the house, each of which the glossary must explain.
WORDS = """
tenant, viewer, principal, document, chunk, passage, citation, draft, claim, support, gate, refusal, tier, escalation, action,
plan, run, receipt, rollback token, approver, budget, meter, reservation, event, profile, feature, segment, candidate, decision,
card, reason code, exposure, holdout, propensity, cap, quiet hours, suite, gate verdict
"""

# A TOML block is settings, or with the name of that file behind it, models.toml, actions.toml or gates.toml.
BLOCK = re.compile(r"^```([a-z]*(?: (?:models|actions|gates)\.toml)?)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|\$\(|&&|;|\|)\s*(?:\$ )?(?:\S*/)?surefoot(?= |$)([^\n]*)", re.MULTILINE)
PATH = re.compile(r"`((?:src|tests|docs|eval_sets|training|benchmarks)/[\w./-]+)`")


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, body in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield body


def command_lines(shell: str) -> list[list[str]]:
    """The arguments of every `surefoot` command in a shell text, comments and what follows a pipe left out."""
    found = []
    for rest in COMMAND.findall(shell.replace("\\\n", " ")):
        lexer = shlex.shlex(rest, posix=True, punctuation_chars="();|&<>")
        lexer.whitespace_split = True
        arguments: list[str] = []
        for word in lexer:
            if set(word) <= set("();|&<>"):
                break
            arguments.append(word)
        found.append(arguments)
    return found


def refusal_of(arguments: list[str], *, whole: bool = True) -> str:
    """Why the program would not understand these arguments; empty when it would. Files need not exist, values not be valid.

    Without `whole` they are a mention in running text, which may leave out what the command needs.
    """
    from surefoot.cli.main import app

    command: Any = typer.main.get_command(app)
    name, rest = "surefoot", list(arguments)
    while hasattr(command, "commands"):
        if not rest:
            return f"{name}: no command given" if whole else ""
        if rest[0] in ("--version", "--help"):
            return ""
        if rest[0] not in command.commands:
            return f"{name}: no command {rest[0]!r}"
        name, command = f"{name} {rest[0]}", command.commands[rest[0]]
        rest = rest[1:]
    parser = command.make_parser(command.context_class(command, info_name=name))
    try:
        values, left_over, _ = parser.parse_args(rest)
    except TyperException as error:
        return f"{name}: {error}"
    missing = [parameter.name for parameter in command.params if parameter.required and not values.get(parameter.name)]
    return f"{name}: {left_over or missing}" if left_over or (missing and whole) else ""


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_in_a_page_exists_with_its_options(page: Path) -> None:
    found = [line for shell in blocks(page, "sh", "console", "bash", "shell") for line in command_lines(shell)]
    mentions = [shlex.split(text) for text in re.findall(r"`surefoot ([^`\[\]<>]*)`", page.read_text(encoding="utf-8"))]
    refusals = [refusal_of(arguments) for arguments in found] + [refusal_of(words, whole=False) for words in mentions]
    assert [refusal for refusal in refusals if refusal] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_make_target_in_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = {
        word for shell in blocks(page, "sh", "console") for word in re.findall(r"^(?:\$ )?make ([a-z-]+)", shell, re.MULTILINE)
    }
    assert (named | set(re.findall(r"`make ([a-z-]+)`", text))) - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_python_block_of_a_page_runs(page: Path) -> None:
    namespace: dict[str, object] = {}
    for code in blocks(page, "python"):
        exec(compile(code, page_id(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_toml_block_of_a_page_is_valid_settings(page: Path) -> None:
    for text in blocks(page, "toml"):
        Settings(**tomllib.loads(text))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_actions_toml_block_of_a_page_is_valid(page: Path) -> None:
    for text in blocks(page, "toml actions.toml"):
        parse_rules(text, page_id(page))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_gates_toml_block_of_a_page_is_valid(page: Path) -> None:
    for text in blocks(page, "toml gates.toml"):
        parse_gates(text, page_id(page))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_models_toml_block_of_a_page_is_a_valid_policy(page: Path) -> None:
    for text in blocks(page, "toml models.toml"):
        parse_policy(text, page_id(page))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_between_pages_leads_to_a_page_and_a_heading(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        linked = (page.parent / place).resolve() if place else page
        if not linked.exists() or (anchor and linked.suffix == ".md" and anchor not in anchors(linked)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_path_a_page_names_exists(page: Path) -> None:
    assert [path for path in PATH.findall(page.read_text(encoding="utf-8")) if not (ROOT / path).exists()] == []


def test_every_page_is_reached_from_the_index() -> None:
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        targets = [target.partition("#")[0] for target in LINK.findall(page.read_text(encoding="utf-8"))]
        waiting += [(page.parent / target).resolve() for target in targets if target.endswith(".md")]
    assert sorted(str(page.relative_to(DOCS)) for page in set(DOCS.rglob("*.md")) - reached) == []


def test_the_settings_page_lists_every_setting_with_its_default_and_meaning() -> None:
    def shown(value: object) -> str:
        if value is None or isinstance(value, bool):
            return {None: "none", True: "true", False: "false"}[value]
        return "(empty)" if value in ("", ()) else f"`{value}`"

    text = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", text, re.MULTILINE)
    assert rows == [(name, shown(field.default), field.description) for name, field in Settings.model_fields.items()]


def test_the_command_page_lists_every_command() -> None:
    from surefoot.cli.main import app

    def names(command: Any, prefix: str) -> Iterator[str]:
        for name, child in command.commands.items():
            if hasattr(child, "commands"):
                yield from names(child, f"{prefix} {name}")
            else:
                yield f"{prefix} {name}"

    text = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    listed = {re.sub(r" [\[A-Z].*", "", row) for row in re.findall(r"^\| `(surefoot [^`]+)` \|", text, re.MULTILINE)}
    assert listed == set(names(typer.main.get_command(app), "surefoot"))


def test_the_format_page_lists_every_extension_that_is_read() -> None:
    rows = re.findall(r"^\| (`\..+?`) \|", (DOCS / "reference" / "document-format.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(re.findall(r"`([^`]+)`", " ".join(rows))) == sorted(EXTENSIONS)


def test_the_glossary_explains_every_word_of_the_house() -> None:
    text = (DOCS / "reference" / "glossary.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| ([a-z ]+) \| .+ \|$", text, re.MULTILINE)[1:]
    assert {word.strip() for word in WORDS.replace("\n", " ").split(",")} - set(explained) == set()
    assert explained == sorted(explained)


def test_decision_records_are_numbered_without_gaps_and_listed() -> None:
    records = sorted(path.name for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert [name[:4] for name in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    listed = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    assert [name for name in records if f"]({name})" not in listed] == []


def test_a_command_line_with_an_unknown_option_or_command_is_noticed() -> None:
    assert command_lines("$ surefoot ask 'Why?' --tenant acme | head\nTOKEN=$(surefoot token --user nora)\n") == [
        ["ask", "Why?", "--tenant", "acme"],
        ["token", "--user", "nora"],
    ]
    assert "no command" in refusal_of(["launch"])
    assert "--nonsense" in refusal_of(["ask", "Why?", "--nonsense"])
    assert refusal_of(["ask"]) != ""
    assert refusal_of(["ask", "Why?", "--as", "nora"]) == ""
