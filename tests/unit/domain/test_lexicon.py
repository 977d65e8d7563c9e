# ruff: noqa: RUF001
"""What counts as a term."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.domain.lexicon import MAX_TERM_CHARACTERS, fingerprint, primary_language, query_terms, terms
from surefoot.domain.stop_words import STOP_WORDS


@pytest.mark.parametrize(
    ("locale", "language"), [("en", "en"), ("de-AT", "de"), ("pt_BR", "pt"), ("C.UTF-8", "c"), ("", ""), (" EN-gb ", "en")]
)
def test_the_primary_language_is_the_first_subtag(locale: str, language: str) -> None:
    assert primary_language(locale) == language


def test_words_are_lower_cased_and_stemmed() -> None:
    assert terms("Configuring RETENTION policies") == terms("configure retention policy")


@pytest.mark.parametrize(
    "question",
    ["What is it?", "How can I do this, please?", "Why won't they?", "a b c", "", "  ", "?!", "e.g. I.E.", "Don’t you?"],
)
def test_a_question_of_stop_words_alone_has_no_terms(question: str) -> None:
    assert terms(question) == []


def test_stop_words_are_kept_on_request_in_order() -> None:
    assert terms("How does it work", keep_stop_words=True) == ["how", "doe", "it", "work"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WRITE_KEY", ["write_key", "write", "key"]),
        ("getUserById", ["getuserbyid", "get", "user", "id"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("api.example.com", ["api.example.com", "api", "exampl", "com"]),
        ("v1.2", ["v1.2", "v1", "2"]),
        ("--dry-run", ["dry-run", "dri", "run"]),
        ("iOS OAuth2 IDs", ["io", "oauth2", "id"]),
        ("The end. Next", ["end", "next"]),
        ("user's", ["user"]),
        ("/v1/ask", ["v1", "ask"]),
    ],
)
def test_a_name_with_joints_gives_itself_and_its_parts(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_compatibility_forms_and_typographic_apostrophes_are_one_spelling() -> None:
    assert terms("ﬁle ｆｏｒｍａｔ") == terms("file format")
    assert terms("the user’s file") == terms("the user's file")


@pytest.mark.parametrize(
    ("locale", "one", "other"),
    [
        ("de", "Wie ändere ich die Einstellungen?", "Einstellung ändern"),
        ("es", "¿Cómo configuro las notificaciones?", "configurar notificación"),
        ("fr", "Comment supprimer l'utilisateur ?", "supprimer utilisateurs"),
        ("it", "Come elimino l'utente?", "eliminare utenti"),
        ("nl", "Hoe wijzig ik de instellingen?", "wijzigen instelling"),
        ("ru", "Как изменить настройки?", "изменить настройка"),
    ],
)
def test_each_language_has_its_own_stop_words_and_stems(locale: str, one: str, other: str) -> None:
    assert sorted(terms(one, locale)) == sorted(terms(other, locale))


def test_an_unknown_language_is_neither_stemmed_nor_stopped() -> None:
    assert terms("the running dogs", "xx") == ["the", "running", "dogs"]


def test_scripts_without_spaces_give_pairs() -> None:
    assert terms("設定を変更API", "ja") == ["設定", "定を", "を変", "変更", "api"]
    assert terms("鍵", "zh") == ["鍵"]


def test_combining_marks_do_not_break_words() -> None:
    assert terms("हिन्दी सहायता", "xx") == ["हिन्दी", "सहायता"]


def test_a_question_is_read_in_the_languages_of_the_texts() -> None:
    assert query_terms("configuring tests", "de", ["en-US"]) == terms("configuring tests", "en")
    assert query_terms("Wie konfiguriere ich Tests?", "de", ["en"]) == ["konfigurier", "test"]
    both = query_terms("configuring tests tests", "en", ["en", "de"])
    assert both[:2] == ["configur", "test"]
    assert len(set(both)) == len(both)


def test_an_empty_index_is_asked_in_the_askers_language() -> None:
    assert query_terms("running", "en", []) == ["run"]


def test_the_fingerprint_names_the_stemmer() -> None:
    assert "snowball" in fingerprint()


def test_stop_lists_are_lower_case() -> None:
    assert all(word == word.lower() for words in STOP_WORDS.values() for word in words)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["en", "de", "fr", "ar", "ja", "xx", ""]))
def test_no_term_is_empty_long_or_holds_white_space(text: str, locale: str) -> None:
    for term in terms(text, locale):
        assert term
        assert len(term) <= MAX_TERM_CHARACTERS
        assert not any(character.isspace() for character in term)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["en", "de", "th", "xx"]))
def test_content_terms_are_among_all_terms(text: str, locale: str) -> None:
    assert set(terms(text, locale)) <= set(terms(text, locale, keep_stop_words=True))


def test_many_threads_agree() -> None:
    texts = [f"configuring {n} retention policies getUserById_{n}" for n in range(200)]
    alone = [terms(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(terms, texts)) == alone
