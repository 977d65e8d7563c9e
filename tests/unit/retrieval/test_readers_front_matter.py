"""Rules of front matter: rights that cannot be understood mean nobody."""

from datetime import UTC, datetime

import pytest

from surefoot.domain.documents import TrustTier
from surefoot.retrieval.readers.front_matter import MAX_CHARS, FrontMatter, read_front_matter


def stated(fields: str) -> FrontMatter:
    return read_front_matter(f"---\n{fields}\n---\nBody.\n")


def test_every_field_is_understood() -> None:
    found = stated(
        "title: Set up\nupdated_at: 2024-05-06\nexpires: 2030-01-01T12:00:00+02:00\nlang: en_GB\ntrust: Official\n"
        "principals: [everyone, 'group:admins']\nsupersedes:\n  - old/a.md\nplan: team\nbeta: true\nnested: {a: b}"
    )
    assert found == FrontMatter(
        body_start=found.body_start,
        title="Set up",
        updated_at=datetime(2024, 5, 6, tzinfo=UTC),
        valid_until=datetime(2030, 1, 1, 10, tzinfo=UTC),
        locale="en-GB",
        trust=TrustTier.OFFICIAL,
        principals=frozenset({"everyone", "group:admins"}),
        supersedes=("old/a.md",),
        meta={"plan": "team", "beta": "true"},
    )


def test_the_body_begins_below_the_closing_line() -> None:
    text = "---\r\ntitle: T\r\n---\r\nBody."
    assert text[read_front_matter(text).body_start :] == "Body."


@pytest.mark.parametrize("field", ["date", "lastmod", "last_updated", "updated_at"])
def test_the_date_has_several_names(field: str) -> None:
    assert stated(f"{field}: 2024-05-06 10:00:00 +0000").updated_at == datetime(2024, 5, 6, 10, tzinfo=UTC)


def test_no_stated_rights_leave_them_to_the_default() -> None:
    assert stated("title: T").principals is None
    assert read_front_matter("Body.").principals is None
    assert stated("private: false\ndraft: no").principals is None


@pytest.mark.parametrize("field", ["principals", "access", "acl"])
def test_rights_have_three_names_and_may_be_one_line(field: str) -> None:
    assert stated(f"{field}: group:a, user:b").principals == {"group:a", "user:b"}


def test_an_empty_list_means_nobody_on_purpose() -> None:
    found = stated("principals: []")
    assert (found.principals, found.warnings) == (frozenset(), ())


@pytest.mark.parametrize(
    "fields",
    [
        "principals: all",
        "principals: ['group:*']",
        "principals: [everyone, admins]",
        "principals:",
        "principals: {everyone: true}",
        "principals: [[everyone]]",
        "principals: everyone\naccess: [group:a]",
        "principals: [everyone]\nprincipals: [group:a]",
        "private: perhaps",
        "private: true",
        "draft: yes",
        "title: [unclosed",
        "just words",
        "- a list",
        "a: &x [everyone]\nprincipals: *x",
        "<<: {principals: everyone}\nprincipals: *y",
        "principals: !!python/object/apply:os.system ['true']",
        "a: " + "[" * 500 + "]" * 500,
        "title: bad \x01 character",
    ],
)
def test_rights_that_are_malformed_or_unknown_mean_nobody_and_a_warning(fields: str) -> None:
    found = stated(fields)
    assert found.principals == frozenset()
    assert any("private" in warning and "\n" not in warning for warning in found.warnings)


def test_a_character_that_is_escaped_in_two_halves_is_one_and_half_a_character_is_refused() -> None:
    assert stated(r'title: "Launch \ud83d\ude80"').title == "Launch \U0001f680"
    for half in (r"\ud83d", r"\ude80", r"\ude80\ud83d"):
        found = stated(f'title: "Launch {half}"\nprincipals: everyone')
        assert found.principals == frozenset()
        assert "half of a character" in found.warnings[0]


def test_an_alias_bomb_is_refused_without_being_expanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    found = stated("\n".join(lines))
    assert found.principals == frozenset()
    assert "alias" in found.warnings[0]


def test_front_matter_without_an_end_or_beyond_the_limit_is_private() -> None:
    assert read_front_matter("---\nprincipals: everyone\nBody").principals == frozenset()
    assert read_front_matter("---\na: " + "x" * MAX_CHARS + "\n---\n").principals == frozenset()


def test_a_rule_at_the_beginning_is_not_front_matter() -> None:
    assert read_front_matter("---\n\nA paragraph.\n") == FrontMatter()
    assert read_front_matter("----\ntitle: T\n---\n") == FrontMatter()


def test_toml_between_plus_signs_is_read_the_same_way() -> None:
    found = read_front_matter('+++\ntitle = "T"\ndate = 2024-05-06\nprincipals = ["group:a"]\n+++\nBody.')
    assert (found.title, found.updated_at, found.principals) == ("T", datetime(2024, 5, 6, tzinfo=UTC), {"group:a"})
    assert read_front_matter("+++\nprincipals = everyone\n+++\n").principals == frozenset()


def test_an_unknown_trust_is_the_lowest_and_a_bad_date_is_no_date() -> None:
    found = stated("trust: absolute\ndate: soon\nlang: '../en'\nsupersedes: {a: b}")
    assert (found.trust, found.updated_at, found.locale, found.supersedes) == (TrustTier.COMMUNITY, None, "", ())
    assert len(found.warnings) == 4
