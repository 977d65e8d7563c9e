"""Settings: four sources, a later one wins, and every error names its source."""

from pathlib import Path

import pytest

from surefoot.core.errors import InvalidSettings
from surefoot.core.settings import Settings, load_settings


def test_a_later_source_wins_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "surefoot.toml").write_text('passages = 5\nport = 1000\nhost = "a"\n')
    loaded = load_settings(folder=tmp_path, env={"SUREFOOT_PORT": "2000", "SUREFOOT_HOST": "b"}, overrides={"host": "c"})
    assert (loaded.settings.passages, loaded.settings.port, loaded.settings.host) == (5, 2000, "c")
    assert loaded.origins["passages"].endswith("surefoot.toml")
    assert loaded.origins["port"] == "SUREFOOT_PORT"
    assert loaded.origins["host"] == "command line"
    assert loaded.origins["workers"] == "default"


def test_an_option_that_was_not_given_overrides_nothing(tmp_path: Path) -> None:
    assert load_settings(folder=tmp_path, env={}, overrides={"port": None}).settings.port == Settings().port


def test_a_data_folder_in_the_file_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "surefoot.toml").write_text('data_dir = "here"\n')
    assert load_settings(folder=tmp_path, env={}).settings.data_dir == tmp_path / "here"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("no_such_setting = 1", "no_such_setting"),
        ("port = 'x'", "port"),
        ("port = ", "not valid TOML"),
        ("passages = 0", "passages"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "surefoot.toml").write_text(text)
    with pytest.raises(InvalidSettings, match=named):
        load_settings(folder=tmp_path, env={})


def test_a_bad_variable_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="SUREFOOT_PORT"):
        load_settings(folder=tmp_path, env={"SUREFOOT_PORT": "many"})


def test_lists_and_none_can_come_from_the_environment(tmp_path: Path) -> None:
    env = {"SUREFOOT_CORS_ORIGINS": "https://a.example, https://b.example", "SUREFOOT_MAX_EVIDENCE_AGE_DAYS": "none"}
    settings = load_settings(folder=tmp_path, env=env).settings
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.max_evidence_age_days is None


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_list_in_the_environment_that_is_no_json_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cors_origins"):
        load_settings(folder=tmp_path, env={"SUREFOOT_CORS_ORIGINS": '["https://a.example"'})
