"""Settings: file, environment, and what is refused with which hint."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from catalog.core.errors import SettingsError, ShelfError
from catalog.core.settings import CatalogSettings, DeviceSettings, Section, device_id, load
from edge.settings import EdgeSettings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without settings."""
    for variable in ("VISUAL_SEARCH_DEVICE__DATA_DIR", "VISUAL_SEARCH_CATALOG__CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)


def written(folder: Path, text: str) -> Path:
    """A settings file."""
    file = folder / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_a_file_the_defaults_count() -> None:
    assert load("edge", EdgeSettings).port == 8080
    assert load("catalog", CatalogSettings).engine == "auto"


def test_each_owner_reads_its_own_section(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[device]\ndata_dir = "/data/vs"\n[catalog]\nengine = "openvino"\n[edge]\nport = 8081\n',
    )
    assert load("device", DeviceSettings, file).shelf == Path("/data/vs/shelf")
    assert load("device", DeviceSettings, file).state == Path("/data/vs/state")
    assert load("catalog", CatalogSettings, file).engine == "openvino"
    assert load("edge", EdgeSettings, file).port == 8081


def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "[edge]\nport = 8081\nlan = true\n")
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__PORT", "9000")
    settings = load("edge", EdgeSettings, file)
    assert (settings.port, settings.lan) == (9000, True)


def test_the_file_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_CONFIG", str(written(tmp_path, "[edge]\nport = 8081\n")))
    assert load("edge", EdgeSettings).port == 8081


def test_a_file_given_goes_before_the_one_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_CONFIG", str(tmp_path / "absent.toml"))
    assert load("edge", EdgeSettings, written(tmp_path, "[edge]\nport = 8081\n")).port == 8081


def test_variables_beside_the_settings_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_MATERIALS", "/somewhere")
    monkeypatch.setenv("VISUAL_SEARCH_CONFIG", "")
    assert load("edge", EdgeSettings).port == 8080


def test_a_home_folder_is_spelt_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("VISUAL_SEARCH_CATALOG__CACHE_DIR", "~/cache")
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", "~/data")
    assert load("catalog", CatalogSettings).cache == Path("/home/someone/cache")
    assert load("device", DeviceSettings).folder == Path("/home/someone/data")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[egde]\nport = 1\n", r"settings\.toml: no section \[egde\]; did you mean edge\?"),
        (
            "[zzz]\n",
            r"no section \[zzz\]; known are device, catalog, edge, outbox, provisioning, sync",
        ),
        ("[edge]\nprot = 1\n", r"settings\.toml, \[edge\] prot: no such setting; .* port\?"),
        ("[edge]\nport = 70000\n", r"settings\.toml, \[edge\] port: .*less than or equal to 65535"),
        ('[edge]\nport = "web"\n', r"settings\.toml, \[edge\] port: .*valid integer"),
        ("[edge]\nlan = 7\n", r"settings\.toml, \[edge\] lan: "),
        ("edge = 1\n", r"settings\.toml: edge must be a section"),
        ("[edge\n", r"settings\.toml: not TOML"),
        (
            "[edge]\nport = 1\nport = 2\n",
            r"settings\.toml: not TOML.* port: each key may stand once",
        ),
        (
            "[edge]\nlan = true\nnames = [kiosk]\n",
            r"not TOML.* look at names: text stands in quotation marks",
        ),
        ("[edge]\nlan = yes\n", r"not TOML.* look at lan: write true or false"),
        ("[page]\nname = On Sale\n", r"look at name: text stands in quotation marks"),
        ("[edge]\nlan = True  # for all\n", r"look at lan: write true or false"),
        ("[edge]\ncamera = noon\n", r"look at camera: text stands in quotation marks"),
        (
            "[edge]\ncamera = simulated\n",
            r"not TOML.* look at camera: text stands in quotation marks",
        ),
        (
            '[edge]\nnames = ["http://kiosk"]\n',
            r"\[edge\] names: 'http://kiosk' is not a host name",
        ),
        ('[edge]\ncertificate = "a.pem"\n', r"edge: certificate and key go together"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load("edge", EdgeSettings, written(tmp_path, text))


@pytest.mark.parametrize(
    ("section", "model", "value"),
    [
        ("catalog", CatalogSettings, 'engine = "tensorflow"'),
        ("catalog", CatalogSettings, 'cache_dir = "~nobody-of-this-name/cache"'),
        ("device", DeviceSettings, 'data_dir = "~nobody-of-this-name/data"'),
    ],
)
def test_an_engine_or_a_user_that_is_not_there_is_named(
    tmp_path: Path, section: str, model: type[Section], value: str
) -> None:
    with pytest.raises(SettingsError, match=rf"settings\.toml, \[{section}\] {value.split()[0]}: "):
        load(section, model, written(tmp_path, f"[{section}]\n{value}\n"))


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_bytes(b'[edge]\ncamera = "\xff"\n')
    with pytest.raises(SettingsError, match=r"settings\.toml: not TOML"):
        load("edge", EdgeSettings, tmp_path / "settings.toml")


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load("edge", EdgeSettings, tmp_path / name)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("VISUAL_SEARCH_EDGE__PROT", "1", r"EDGE__PROT: no such setting; did you mean port\?"),
        ("VISUAL_SEARCH_EGDE__PORT", "1", r"EGDE__PORT: no such setting; did you mean .*EDGE__"),
        ("VISUAL_SEARCH_MATERIAL", "x", r"did you mean VISUAL_SEARCH_MATERIALS\?"),
        ("VISUAL_SEARCH_EDGE", "1", r"VISUAL_SEARCH_EDGE: no such setting"),
        ("VISUAL_SEARCH_EDGE__PORT", "web", r"VISUAL_SEARCH_EDGE__PORT: .*valid integer"),
        ("VISUAL_SEARCH_EDGE__PORT", "", r"VISUAL_SEARCH_EDGE__PORT: .*valid integer"),
        ("VISUAL_SEARCH_EDGE__FPS", "0", r"VISUAL_SEARCH_EDGE__FPS: .*greater than 0"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=message):
        load("edge", EdgeSettings)


def test_an_unknown_variable_is_refused_whichever_section_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_SINK__PORT", "1")
    for section, model in (("device", DeviceSettings), ("catalog", CatalogSettings)):
        with pytest.raises(SettingsError, match="VISUAL_SEARCH_SINK__PORT"):
            load(section, model)


def test_settings_cannot_be_changed_after_reading() -> None:
    settings = load("edge", EdgeSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_a_device_keeps_its_id(tmp_path: Path) -> None:
    first = device_id(tmp_path / "data")
    assert str(uuid.UUID(first)) == first
    assert device_id(tmp_path / "data") == first
    assert device_id(tmp_path / "other") != first


def test_a_data_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ShelfError, match="the data folder cannot be used"):
        device_id(tmp_path / "file")
