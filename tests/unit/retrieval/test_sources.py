"""Rules of walking a folder and of the rights kept beside documents."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from surefoot.domain.corpora import SkippedFile
from surefoot.domain.documents import TrustTier
from surefoot.retrieval.readers import RawFile, ReadLimits, RightsOverride, read
from surefoot.retrieval.rights_files import matches_glob
from surefoot.retrieval.sources import walk

LIMITS = ReadLimits(max_bytes=1_000, max_pages=10, memory_mb=512, cpu_seconds=20)


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def found(path: Path) -> dict[str, RawFile]:
    return {file.uri: file for file in walk(path, limits=LIMITS) if isinstance(file, RawFile)}


def skipped(path: Path) -> dict[str, str]:
    return {file.uri: file.reason for file in walk(path, limits=LIMITS) if isinstance(file, SkippedFile)}


def principals(path: Path, uri: str) -> frozenset[str] | None:
    rights = found(path)[uri].rights
    return rights.principals if rights else None


def test_files_come_in_a_stable_order_with_uris_below_the_folder(tmp_path: Path) -> None:
    put(tmp_path, {"b.md": "b", "a/z.md": "z", "a/y.txt": "y", "c.mdx": "c", "a/k/x.md": "x"})
    assert list(found(tmp_path)) == ["b.md", "c.mdx", "a/y.txt", "a/z.md", "a/k/x.md"]
    assert found(tmp_path)["a/y.txt"].body == b"y"


def test_a_single_file_is_named_by_its_name_and_keeps_its_rights(tmp_path: Path) -> None:
    put(tmp_path, {"b.md": "b", "access.yaml": '"*.md": {principals: [group:a]}', "c.md": "c"})
    assert {uri: file.rights for uri, file in found(tmp_path / "b.md").items()} == {
        "b.md": RightsOverride(frozenset({"group:a"}))
    }


def test_hidden_files_are_passed_over_and_other_kinds_reported(tmp_path: Path) -> None:
    put(tmp_path, {".git/a.md": "x", ".b.md": "x", "c.png": "x", "LICENSE": "x", "d.json": "{}"})
    assert found(tmp_path) == {}
    assert set(skipped(tmp_path)) == {"c.png", "LICENSE", "d.json"}
    assert skipped(tmp_path)["d.json"] == "not a supported format (.json)."


def test_a_file_that_is_too_large_is_reported_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "big.md").open("wb") as file:
        file.truncate(1 << 40)
    assert skipped(tmp_path) == {"big.md": "it has 1099511627776 bytes, more than the 1000 allowed (max_document_bytes)."}


def test_links_are_followed_within_the_folder_only(tmp_path: Path) -> None:
    put(tmp_path, {"out/secret.md": "secret", "in/a.md": "a"})
    root = tmp_path / "in"
    (root / "inside.md").symlink_to("a.md")
    (root / "outside.md").symlink_to(tmp_path / "out" / "secret.md")
    (root / "folder").symlink_to(tmp_path / "out")
    (root / "circle.md").symlink_to("circle.md")
    (root / "gone.md").symlink_to("nowhere.md")
    assert {uri: file.body for uri, file in found(root).items()} == {"a.md": b"a", "inside.md": b"a"}
    assert set(skipped(root)) == {"outside.md", "folder", "circle.md", "gone.md"}
    assert all(str(tmp_path) not in reason for reason in skipped(root).values())


def test_a_pipe_is_reported_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.md")
    assert skipped(tmp_path) == {"a.md": "it is not a regular file."}


def test_a_name_that_is_not_utf8_is_reported(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")).write_bytes(b"x")
    assert skipped(tmp_path) == {"?.md": "its name is not UTF-8."}


def test_a_folders_sidecar_states_all_three_fields(tmp_path: Path) -> None:
    put(tmp_path, {"a/b.md": "x", "access.yml": "a/*: {principals: [everyone], trust: official, valid_until: 2030-01-01}"})
    assert found(tmp_path)["a/b.md"].rights == RightsOverride(
        frozenset({"everyone"}), TrustTier.OFFICIAL, datetime(2030, 1, 1, tzinfo=UTC)
    )  # fmt: skip


def test_without_a_sidecar_nothing_is_stated(tmp_path: Path) -> None:
    put(tmp_path, {"a.md": "x", "access.yaml": '"b*": {principals: [everyone]}'})
    assert found(tmp_path)["a.md"].rights is None


def test_the_nearest_folder_wins_then_the_most_specific_glob(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "access.yaml": '"**": {principals: [group:far], trust: official}\n"deep/a.md": {principals: [group:exact]}',
            "deep/access.yaml": '"*": {principals: [group:near]}\n"b*.md": {principals: [group:b]}\n'
            '"bc.md": {principals: [group:bc]}',
            "deep/a.md": "x",
            "deep/bb.md": "x",
            "deep/bc.md": "x",
            "top.md": "x",
        },
    )
    assert principals(tmp_path, "deep/a.md") == {"group:near"}
    assert principals(tmp_path, "deep/bb.md") == {"group:b"}
    assert principals(tmp_path, "deep/bc.md") == {"group:bc"}
    assert principals(tmp_path, "top.md") == {"group:far"}


def test_a_nearer_entry_that_states_no_principals_does_not_widen_them(tmp_path: Path) -> None:
    put(tmp_path, {"access.yaml": '"**": {principals: [group:far]}', "d/access.yaml": '"*": {trust: official}', "d/a.md": "x"})
    assert found(tmp_path)["d/a.md"].rights == RightsOverride(frozenset({"group:far"}), TrustTier.OFFICIAL)


def test_a_files_own_sidecar_wins_over_its_folders_and_over_front_matter(tmp_path: Path) -> None:
    own = "principals: [user:eve]"
    open_to_all = "---\nprincipals: everyone\n---\nx"
    put(
        tmp_path,
        {
            "access.yaml": '"**": {principals: [group:far]}',
            "a.md": "---\nprincipals: everyone\n---\nx",
            "a.md.access.yaml": own,
            "b.md": open_to_all,
        },
    )
    files = found(tmp_path)
    assert set(files) == {"a.md", "b.md"}
    assert read(files["a.md"], LIMITS)[0].principals == {"user:eve"}
    assert read(files["b.md"], LIMITS)[0].principals == {"group:far"}


@pytest.mark.parametrize(
    "broken", ["[", "- a", "a: *x", "x" * 70_000, b"\xff\xfe\xff", "'**': {principals: [everyone]}\n'**': {principals: []}"]
)
def test_a_sidecar_that_cannot_be_parsed_makes_everything_under_it_private(tmp_path: Path, broken: str | bytes) -> None:
    put(
        tmp_path,
        {
            "d/access.yaml": broken,
            "d/e/access.yaml": '"*": {principals: [everyone]}',
            "d/e/a.md": "x",
            "d/b.md": "x",
            "c.md": "x",
        },
    )
    assert (principals(tmp_path, "d/e/a.md"), principals(tmp_path, "d/b.md")) == (frozenset(), frozenset())
    assert principals(tmp_path, "c.md") is None
    assert "everything under it is private" in skipped(tmp_path)["d/access.yaml"]


@pytest.mark.parametrize(
    "entry",
    [
        "{principals: [all]}",
        "{principals: everyone, group: a}",
        "[everyone]",
        "{}",
        "everyone",
        "{trust: best}",
        "{valid_until: soon}",
        "{principals: }",
    ],
)
def test_a_malformed_entry_makes_what_it_matches_private(tmp_path: Path, entry: str) -> None:
    put(
        tmp_path,
        {
            "access.yaml": f'"a.md": {entry}\n"**": {{principals: [everyone]}}',
            "a.md": "x",
            "b.md": "x",
            "c.md.access.yaml": entry,
            "c.md": "x",
        },
    )
    assert principals(tmp_path, "a.md") == frozenset()
    assert principals(tmp_path, "b.md") == {"everyone"}
    assert principals(tmp_path, "c.md") == frozenset()
    assert set(skipped(tmp_path)) == {"access.yaml", "c.md.access.yaml"}


def test_a_sidecar_that_is_a_link_out_of_the_folder_opens_nothing(tmp_path: Path) -> None:
    put(tmp_path, {"open.yaml": '"**": {principals: [everyone]}', "in/a.md": "x"})
    (tmp_path / "in" / "access.yaml").symlink_to(tmp_path / "open.yaml")
    assert principals(tmp_path / "in", "a.md") == frozenset()


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("a.md", "*.md", True),
        ("x/a.md", "*.md", True),
        ("x/a.md", "x/*", True),
        ("x/y/a.md", "x/*", False),
        ("x/y/a.md", "x/**", True),
        ("x/y/a.md", "**/y/*.md", True),
        ("y/a.md", "**/y/*.md", True),
        ("x/a.md", "/x/a.md", True),
        ("x/a.md", "a.md/x", False),
        ("x/a.md", "x", False),
        ("a.md", "**", True),
        ("x/a.md", "?/[ab].md", True),
        ("A.md", "a.md", False),
        ("a" * 250, "*a" * 60 + "b", False),
        ("/".join("a" * 60), "**/a/" * 60 + "b", False),
    ],
)
def test_globs_stay_within_names_unless_doubled(path: str, glob: str, expected: bool) -> None:
    assert matches_glob(path, glob) is expected
