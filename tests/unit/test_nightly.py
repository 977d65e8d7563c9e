"""What deploy/nightly says is done: its script and its crontab run, its YAML is read, its README is true."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from surefoot.bootstrap import build
from surefoot.core.settings import Settings
from surefoot.domain.identity import TenantId
from surefoot.domain.verdicts import Colour
from surefoot.evals.gates_file import parse_gates
from surefoot.evals.keeping import baseline_of
from surefoot.evals.run_store import open_run, run_folders
from surefoot.evals.stored_report import against, stored_verdict
from surefoot.evals.suites import load_suite
from tests.unit.test_docs import blocks, command_lines, refusal_of

ROOT = Path(__file__).parents[2]
NIGHTLY = ROOT / "deploy" / "nightly"
SAMPLE = ROOT / "eval_sets" / "sample"
ACME = TenantId("acme")


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with the script and the sample suite where the crontab expects them, below one folder."""
    for name in ("opt/surefoot-evals/suites", "var/lib/surefoot", "var/log/surefoot"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(NIGHTLY / "nightly.sh", tmp_path / "opt" / "surefoot-evals")
    shutil.copytree(SAMPLE, tmp_path / "opt" / "surefoot-evals" / "suites" / "acme")
    programs = Path(sys.executable).parent
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }


def variables(crontab: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", crontab, re.MULTILINE))


def command(crontab: str) -> str:
    """What cron gives the shell."""
    found = re.findall(r"^(?:\S+ ){5}(.+)$", crontab.replace("\n#", "\n\n#"), re.MULTILINE)
    (line,) = [each for each in found if "nightly.sh" in each and "flock" in each]
    assert "%" not in line
    return str(line)


def night(machine: dict[str, str], root: Path, **more: str) -> str:
    """One night by the crontab, its folders below `root`; returns the log."""
    moved = (NIGHTLY / "crontab").read_text(encoding="utf-8").replace(" /opt/", f" {root}/opt/").replace("/var/", f"{root}/var/")
    stated = {name: value for name, value in variables(moved).items() if name != "PATH"}
    # A part of the suite will do here.
    run = command(moved).replace("suites/acme", "suites/acme --limit 40")
    subprocess.run(["/bin/sh", "-c", run], env=machine | stated | more, check=True, timeout=300)
    return (root / "var" / "log" / "surefoot" / "nightly.log").read_text(encoding="utf-8")


def test_two_nights_by_the_crontab_pin_a_baseline_compare_and_store_the_verdict(machine: dict[str, str], tmp_path: Path) -> None:
    data = tmp_path / "var" / "lib" / "surefoot"
    product = build(Settings(data_dir=data))
    product.start()
    with product.store.begin() as work:
        work.tenants.create(ACME, now=product.clock.now())
        work.commit()
    assert night(machine, tmp_path).splitlines()[-1] == "exit 0"
    first = baseline_of(data / "evals")
    assert first is not None
    assert night(machine, tmp_path).splitlines()[-1] == "exit 0"
    runs = run_folders(data / "evals")
    assert runs[0].name == first.manifest.run_id
    assert len(runs) == 2
    second = product.verdicts.current(ACME)
    assert second is not None
    assert (second.run_id, second.baseline_run_id) == (runs[1].name, first.manifest.run_id)
    assert second.colour() is not Colour.RED
    product.close()
    # The same product on two nights: what neither clock nor chance decides has not moved, and no case came out otherwise.
    moved = against(open_run(runs[1]), first).diff
    timed = {each.name for each in moved.comparisons if str(each.change) in ("improved", "regressed", "neutral")}
    assert (moved.regressed, moved.improved, moved.unchanged) == ((), (), 40)
    assert {name for name in timed if not name.endswith("_ms")} == set()
    # A night later with a gate that fails: the exit code says so, the verdict is obeyed, the baseline stays, old runs go.
    gates = tmp_path / "opt" / "surefoot-evals" / "suites" / "acme" / "gates.toml"
    gates.write_text('[gates.all]\nmetric = "share.passed"\nat_least = 0.99\nmin_n = 1\nlevel = "blocking"\nwhy = "a test"\n')
    assert night(machine, tmp_path, NIGHTLY_KEEP="1").splitlines()[-1] == "exit 1"
    left = run_folders(data / "evals")
    assert [run.name for run in left] == [first.manifest.run_id, left[-1].name]
    verdict = stored_verdict(open_run(left[-1]))
    assert verdict is not None
    assert verdict.colour() is Colour.RED
    with build(Settings(data_dir=data)).store.begin() as work:
        assert work.verdicts.current(ACME) == verdict


def test_a_night_that_cannot_run_says_so_and_deletes_nothing(machine: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "opt" / "surefoot-evals" / "suites" / "acme" / "suite.yaml").unlink()
    assert night(machine, tmp_path).splitlines()[-1] == "exit 2"
    usage = subprocess.run([str(NIGHTLY / "nightly.sh")], env=machine, capture_output=True, text=True, check=False, timeout=60)
    assert (usage.returncode, "usage" in usage.stderr) == (2, True)


def yaml_of(name: str) -> Any:
    return yaml.safe_load((NIGHTLY / name).read_text(encoding="utf-8"))


def test_the_cron_job_runs_one_at_a_time_and_mounts_what_its_command_names() -> None:
    job = yaml_of("cronjob.yaml")
    assert (job["apiVersion"], job["kind"], job["spec"]["concurrencyPolicy"]) == ("batch/v1", "CronJob", "Forbid")
    template = job["spec"]["jobTemplate"]["spec"]
    pod = template["template"]["spec"]
    assert (template["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(mounts) == set(volumes)
    files = {f"{mounts['evals']}/{item['path']}" for item in volumes["evals"]["configMap"]["items"]}
    assert container["command"][1] in files
    assert f"{container['command'][2]}/suite.yaml" in files
    names = {variable["name"] for variable in container["env"]}
    script = (NIGHTLY / "nightly.sh").read_text(encoding="utf-8")
    assert {name for name in names if name.startswith("NIGHTLY_")} == set(re.findall(r"\$\{(NIGHTLY_\w+)", script))
    assert {name.removeprefix("SUREFOOT_").lower() for name in names if name.startswith("SUREFOOT_")} <= set(
        Settings.model_fields
    )


def test_the_workflow_calls_commands_that_exist_and_uploads_what_the_report_writes() -> None:
    workflow = yaml_of("workflow.yaml")
    steps = workflow["jobs"]["evals"]["steps"]
    scripts = [step["run"] for step in steps if "run" in step]
    assert any("make test" in script for script in scripts)
    assert any("deploy/nightly/nightly.sh eval_sets/sample" in script for script in scripts)
    refusals = [refusal_of(line) for script in scripts for line in command_lines(script)]
    assert [refusal for refusal in refusals if refusal] == []
    (uploaded,) = [step["with"]["path"].split() for step in steps if "upload" in step.get("uses", "")]
    assert {Path(path).name for path in uploaded} <= {"report.html", "report.json", "junit.xml", "report.md"}


def test_the_readme_names_commands_gates_and_files_that_exist() -> None:
    page = NIGHTLY / "README.md"
    for text in blocks(page, "toml gates.toml"):
        assert parse_gates(text, str(page)).valid_days == 2
    text = page.read_text(encoding="utf-8")
    found = [line for shell in blocks(page, "sh") for line in command_lines(shell)]
    assert [refusal for line in found if (refusal := refusal_of(line))] == []
    options = [shell.split("nightly.sh", 1)[1].split() for shell in blocks(page, "sh") if "nightly.sh" in shell]
    assert [refusal for line in options if (refusal := refusal_of(["eval", "run", *line]))] == []
    assert [path for path in re.findall(r"`((?:deploy|eval_sets)/[\w./-]+)`", text) if not (ROOT / path).exists()] == []
    assert [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not (NIGHTLY / link).exists()] == []


def test_the_suite_for_servers_asks_only_what_a_server_can_be_asked() -> None:
    suite = load_suite(ROOT / "eval_sets" / "sample-served", {})
    assert suite.tasks == {"ask"}
    assert {case.id for case in suite.cases} < {case.id for case in load_suite(SAMPLE, {}).cases}
