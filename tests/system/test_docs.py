"""The documentation: it covers every command, setting and event field, and names what exists."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from catalog.core.lazy_group import LazyGroup
from catalog.core.settings import SECTIONS, CatalogSettings, DeviceSettings, Section
from docs.site.commands import commands, reference
from edge.settings import EdgeSettings
from edge.web.page_settings import PageSettings
from sync.outbox.outbox import REASONS
from sync.settings import OutboxSettings, ProvisioningSettings, SyncSettings
from visual_search.command import command

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "training" / "README.md"],
)
FOLDERS = "bench|catalog|cloud|docs|edge|release|sync|tests|training|visual_search"
SETTINGS: dict[str, type[Section]] = {
    "device": DeviceSettings,
    "catalog": CatalogSettings,
    "edge": EdgeSettings,
    "page": PageSettings,
    "sync": SyncSettings,
    "outbox": OutboxSettings,
    "provisioning": ProvisioningSettings,
}
COMMANDS = dict(commands(command, "visual-search"))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def named_in_code(text: str) -> Iterator[str]:
    """What stands between backticks and in blocks of code."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.M)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def test_the_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) <= 120


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_options_are_explained(name: str) -> None:
    found = COMMANDS[name]
    assert found.help, f"{name} has no help text"
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts[-1]} has no help text"
        else:
            shown = parameter.make_metavar(click.Context(found)).strip("[].")
            assert shown in found.help, f"{name}: its help does not say what {shown} is"


@pytest.mark.parametrize(
    "name", [name for name, found in COMMANDS.items() if not isinstance(found, click.Group)]
)
def test_a_command_is_shown_in_the_docs(name: str) -> None:
    lines = [line for page in PAGES for line in named_in_code(text_of(page))]
    words = name.removeprefix("visual-search ")
    assert any(re.search(rf"(^|visual-search (--\S+ )?){words}\b", line) for line in lines)


@pytest.mark.parametrize(
    "name", [name for name, found in COMMANDS.items() if isinstance(found, LazyGroup)]
)
def test_the_help_of_a_group_says_what_each_command_says_of_itself(name: str) -> None:
    """The group says it without importing the command."""
    group = COMMANDS[name]
    assert isinstance(group, LazyGroup)
    own = {}
    for word in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), word)
        assert found is not None
        own[word] = found.get_short_help_str(1000)
    assert group.summaries == own


def test_the_help_imports_no_command() -> None:
    program = (
        "import sys; from visual_search.command import command; "
        "command(['--help'], standalone_mode=False); "
        "print([name for name in ('numpy', 'pydantic', 'rich', 'flask') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "  demo " in done.stdout


def test_the_reference_has_every_command_and_option() -> None:
    page = reference(command, "visual-search")
    for name, found in COMMANDS.items():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, name
        for parameter in found.params:
            if isinstance(parameter, click.Option):
                assert all(option in section for option in parameter.opts), (name, parameter.opts)


def test_the_settings_page_shows_every_setting_with_its_default() -> None:
    block = re.search(r"^```toml\n(.*?)^```", text_of(DOCS / "settings.md"), re.M | re.S)
    assert block is not None
    shown = tomllib.loads(block[1])
    assert set(shown) == set(SECTIONS) == set(SETTINGS)
    for section, model in SETTINGS.items():
        assert set(shown[section]) == set(model.model_fields), section
        read = model.model_validate(shown[section])
        for key, field in model.model_fields.items():
            if field.default is not None and key != "data_dir":
                assert getattr(read, key) == field.default, f"[{section}] {key}"


def test_the_reporting_page_explains_every_event_field() -> None:
    schema = json.loads((ROOT / "sync" / "outbox" / "event.schema.json").read_text("utf-8"))
    named = set(re.findall(r"`([\w.]+)`", text_of(DOCS / "reporting.md")))
    for title, definition in schema["$defs"].items():
        prefix = "item." if title == "Item" else ""
        missing = {f"{prefix}{name}" for name in definition["properties"]} - named
        assert not missing, f"{title}: {missing}"
    assert set(REASONS) <= named


def test_the_api_page_names_every_request() -> None:
    paths = json.loads((ROOT / "edge" / "web" / "openapi.json").read_text("utf-8"))["paths"]
    text = text_of(DOCS / "api.md")
    for path, methods in paths.items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", text_of(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{link}: no such file"
        assert not anchor or anchor in anchors_of(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_and_modules_that_are_named_exist(page: Path) -> None:
    for line in named_in_code(text_of(page)):
        for path in re.findall(rf"(?<![\w/.<-])(?:{FOLDERS})/[\w./-]*", line):
            assert (ROOT / path.rstrip(".")).exists(), f"{line}: there is no {path}"
        for module in re.findall(rf"(?<![\w/.<-])(?:{FOLDERS})(?:\.[a-z_]\w*)+", line):
            if not module.endswith((".md", ".py")):
                assert exists(module), f"{line}: there is no {module}"
        for target in re.findall(r"(?:^|[;&] *)make ([a-z][a-z0-9-]+)", line):
            assert re.search(rf"^{target}:", text_of(ROOT / "Makefile"), re.M), line


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        if importlib.util.find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    module, _, attribute = name.rpartition(".")
    return bool(module) and hasattr(importlib.import_module(module), attribute)


def test_each_threat_has_a_test() -> None:
    """The table of threats names for each line what tests it; that it exists is tested above."""
    rows = re.findall(r"^\| (\*\*.*) \|$", text_of(ROOT / "SECURITY.md"), re.M)
    assert len(rows) > 30
    assert [row for row in rows if not re.search(r"`tests/[\w/]+/test_\w+\.py`", row)] == []


def test_every_dependency_has_its_reason() -> None:
    base = re.search(r"install_requires=\[(.*?)\n    \]", text_of(ROOT / "setup.py"), re.S)
    assert base is not None
    needed = set(re.findall(r'^ *"([a-z0-9-]+)', base[1], re.M))
    table = text_of(DOCS / "dependencies.md").partition("\nExtras ")[0]
    assert needed == set(re.findall(r"^\| ([a-z0-9-]+) \|", table, re.M)) - {"package", "---"}


def test_all_decisions_are_listed() -> None:
    listed = text_of(DOCS / "decisions" / "README.md")
    site = text_of(ROOT / "mkdocs.yml")
    for page in (DOCS / "decisions").glob("0*.md"):
        title = text_of(page).splitlines()[0].partition(": ")[2]
        assert f"[{page.name[:4]}]({page.name}) | {title} |" in listed
        assert f"- decisions/{page.name}\n" in site


def test_everything_says_the_same_version() -> None:
    version = re.search(r'^    version="(.+)",$', text_of(ROOT / "setup.py"), re.M)
    newest = re.search(r"^## (\S+) - \d{4}-\d\d-\d\d$", text_of(ROOT / "CHANGELOG.md"), re.M)
    recipe = text_of(ROOT / "cloud" / "greengrass-component.yaml")
    assert version is not None
    assert newest is not None
    assert newest[1] == version[1]
    assert f'ComponentVersion: "{version[1]}"' in recipe
    assert f'"componentVersion": "{version[1]}"' in text_of(DOCS / "aws.md")


@pytest.mark.slow
def test_the_examples_of_the_python_page_run(
    things: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").symlink_to(things)
    (tmp_path / "shop.bundle").symlink_to(small_bundle)
    (tmp_path / "photo.jpg").symlink_to(next(things.rglob("*.png")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    blocks = re.findall(r"^```python\n(.*?)^```", text_of(DOCS / "python.md"), re.M | re.S)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
