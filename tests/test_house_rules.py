"""The house's hard limits, held on every run."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "surefoot"
MODULES = sorted(SOURCE.rglob("*.py"))
TRAINING = sorted((ROOT / "training").glob("*.py")) + sorted((ROOT / "benchmarks").glob("*.py"))

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "v2"}


def functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("module", MODULES + TRAINING, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_longer_than_400_lines_and_no_function_than_60(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES
    too_long = [
        f"{f.name}: {f.end_lineno - f.lineno + 1}" for f in functions(module) if f.end_lineno - f.lineno >= MAX_FUNCTION_LINES
    ]
    assert too_long == []


def test_modules_are_named_by_nouns_of_the_field() -> None:
    assert [str(m.relative_to(SOURCE)) for m in MODULES if set(m.stem.split("_")) & FORBIDDEN_NAMES] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_and_public_definition_says_what_it_is(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    public = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    assert [node.name for node in public if not node.name.startswith("_") and not ast.get_docstring(node)] == []


def test_every_port_method_that_touches_data_takes_the_tenant_first() -> None:
    # A model reads the texts it is given; whose they are it does not know.
    of_texts_alone = {"encode", "encode_query", "passages", "claims"}
    without_tenant = {"begin", "migrate", "check", "close", "commit", "all", "aclose"} | of_texts_alone
    wrong = []
    bodies = [ast.parse(module.read_text(encoding="utf-8")).body for module in sorted((SOURCE / "ports").glob("*.py"))]
    ports = [node for body in bodies for node in body if isinstance(node, ast.ClassDef)]
    assert len(ports) > 15
    for port in ports:
        for method in port.body:
            if (
                not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
                or method.name.startswith("__")
                or method.decorator_list
            ):
                continue
            arguments = [argument.arg for argument in method.args.args]
            if method.name not in without_tenant and arguments[:2] != ["self", "tenant"]:
                wrong.append(f"{port.name}.{method.name}")
    assert wrong == []


def test_exceptions_are_caught_whole_only_at_the_outermost_edge_or_to_be_raised_again() -> None:
    edge = {
        "api/errors.py",
        "api/health.py",
        "api/deliveries.py",
        "api/working.py",
        "adapters/python_host.py",
        "cli/main.py",
        "cli/mcp_server.py",
        "evals/runner.py",
        "retrieval/readers/worker.py",
        "adapters/sql/replies.py",
    }
    swallowing = set()
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"BaseException"}
            raises_again = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
            if names & {"Exception", "BaseException"} and not raises_again:
                swallowing.add(str(module.relative_to(SOURCE)))
    assert swallowing - edge == set()


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_text_of_the_project_names_a_package_registry_or_a_private_path() -> None:
    registry = re.compile(
        "|".join(("py" + r"pi\.org", "pythonhosted" + r"\.org", "registry" + r"\.npmjs", "/" + "root/", "/" + "work/"))
    )
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    texts = [
        ROOT / name
        for name in tracked
        if Path(name).suffix in {".py", ".md", ".toml", ".txt", ".lock", ".json", ".html", ".js", ""}
    ]
    assert [
        str(path.relative_to(ROOT)) for path in texts if path.is_file() and registry.search(path.read_text("utf-8", "ignore"))
    ] == []
