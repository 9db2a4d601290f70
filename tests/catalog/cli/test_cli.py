"""The command as a person or a program meets it: words, exit codes, JSON, help."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from catalog.bundles.manifest import verify
from catalog.bundles.shelf import Shelf
from catalog.core.state import edge_state, write_edge_state
from catalog.core.terminal import print_json
from catalog.networks.featurizer import Featurizer
from tests.conftest import PHOTOS, THINGS, Surroundings
from tests.support.drawing import draw_thing, png
from visual_search.command import command


def commands(
    group: click.Command, context: click.Context, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below, with the words that call it."""
    yield words, group
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from commands(command, context, (*words, name))


COMMANDS = list(commands(command, click.Context(command)))


def failed(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """Return what a refused command prints: a plain sentence, no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    return done.stderr


def answer(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    """The JSON that a command printed."""
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("words", "command"), COMMANDS, ids=[" ".join(words) or "root" for words, _ in COMMANDS]
)
def test_every_command_has_help_and_each_that_acts_an_example(
    words: tuple[str, ...], command: click.Command
) -> None:
    context = click.Context(command, info_name=" ".join(["visual-search", *words]))
    text = command.get_help(context)
    assert command.help
    assert r"\b" not in text
    if isinstance(command, click.Group) and words:
        return
    assert "Example" in text
    assert f"visual-search {' '.join(words)}".strip() in text.partition("Example")[2]


@pytest.mark.parametrize(
    "command",
    [command for _, command in COMMANDS],
    ids=[" ".join(words) or "root" for words, _ in COMMANDS],
)
def test_every_option_that_is_no_plain_default_is_explained(command: click.Command) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help or parameter.show_default, parameter.name


def test_the_installed_script_answers_help_and_version(surroundings: Surroundings) -> None:
    for words in (("--help",), ("-h",), ("catalog", "--help"), ("catalog", "build", "--help")):
        done = surroundings.run(*words)
        assert done.returncode == 0
        assert "Usage: visual-search" in done.stdout
    assert surroundings.run("--version").stdout.startswith("visual-search, version ")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("catalogue",),
        ("catalog", "bild"),
        ("catalog", "build"),
        ("catalog", "build", "photos"),
        ("catalog", "build", "photos", "--out", "x", "--size", "2"),
        ("catalog", "search", "bundle"),
        ("catalog", "search", "bundle", "photo", "--limit", "0"),
        ("catalog", "inspect", "--jsn", "bundle"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(surroundings: Surroundings, words: tuple[str, ...]) -> None:
    assert "Usage: visual-search" in failed(surroundings.run(*words), 2)


def test_build_activate_and_search_as_a_person_does(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    done = surroundings.run(
        "catalog", "build", things, "--out", "shop", "--model", featurizer_folder
    )
    assert done.returncode == 0, done.stderr
    assert f"shop: {THINGS} items, {THINGS * PHOTOS} photos" in done.stdout
    assert "next: visual-search catalog activate shop" in done.stdout
    done = surroundings.run("catalog", "activate", "shop")
    assert done.stdout.startswith("active: ")
    active = Shelf(surroundings.data / "shelf").active()
    assert active is not None
    (surroundings.folder / "asked.png").write_bytes(png(draw_thing(2, view=9)))
    done = surroundings.run("catalog", "search", active, "asked.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("thing-02") < done.stdout.index("thing-0", done.stdout.index("02") + 2)


def test_build_names_what_it_left_out_and_when_strict_builds_nothing(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    photos = Path(shutil.copytree(things, surroundings.folder / "photos"))
    (photos / "thing-01" / "bad.png").write_bytes(b"spoilt")
    (photos / "empty").mkdir()
    (photos / "thing-02" / "3.png").unlink()
    (photos / "thing-02" / "2.png").unlink()
    words = ("catalog", "build", photos, "--out", "shop", "--model", featurizer_folder)
    done = surroundings.run(*words)
    assert done.returncode == 0
    bad = photos / "thing-01" / "bad.png"
    assert done.stderr.strip() == f"left out: {bad}: not a picture that can be read"
    assert "1 photo was left out" in done.stdout
    assert "left without a photo: empty" in done.stdout
    assert "fewer than three photos" in done.stdout
    assert "thing-02" in done.stdout
    report = answer(surroundings.run(*words, "--json"))
    assert report["skipped"] == [{"name": str(bad), "reason": "not a picture that can be read"}]
    assert report["without_photos"] == ["empty"]
    assert report["few_photos"] == ["thing-02"]
    assert report["reused"] == report["photos"] == THINGS * PHOTOS - 2
    assert verify(surroundings.folder / "shop")[1] == report["bundle"]
    printed = failed(surroundings.run(*words, "--strict"))
    assert "nothing was built, as --strict says: 1 photo cannot be used, and 1 item has" in printed
    assert verify(surroundings.folder / "shop")[1] == report["bundle"], "the one before stays"


def test_build_asks_which_folders_are_items_where_that_is_not_clear(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    photos = surroundings.folder / "photos"
    shutil.copytree(things, photos / "Things")
    shutil.copytree(things / "thing-01", photos / "Things" / "@eaDir")
    (photos / "Things" / "0.png").write_bytes(png(draw_thing(1)))
    words = ("catalog", "build", photos, "--out", "shop", "--model", featurizer_folder)
    printed = failed(surroundings.run(*words))
    assert "it is not clear which folders are items: Things holds pictures and folders" in printed
    (photos / "Things" / "0.png").unlink()
    done = surroundings.run(*words, "--items", "leaf", "--strict", "--json")
    report = answer(done)
    assert report["items"] == THINGS
    assert report["left_out"] == []
    assert report["notes"] == [f"{photos}: passed over 1 system or hidden folder (@eaDir)"]
    assert done.stderr.strip() == report["notes"][0]


def test_strict_exits_0_when_nothing_was_left_out(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    done = surroundings.run(
        *("catalog", "build", things, "--out", "shop", "--model", featurizer_folder, "--strict")
    )
    assert done.returncode == 0


def test_an_out_that_is_no_bundle_is_refused(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    (surroundings.folder / "thesis").mkdir()
    done = surroundings.run(
        "catalog", "build", things, "--out", "thesis", "--model", featurizer_folder
    )
    assert failed(done).strip() == (
        "error: thesis: exists and is not a bundle; choose another --out"
    )


def test_an_onnx_file_is_a_model_too(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    done = surroundings.run(
        *("catalog", "build", things, "--out", "shop", "--json"),
        *("--model", featurizer_folder / "network.onnx", "--size", "32", "--resize", "squash"),
        *("--output", "embedding"),
    )
    assert answer(done)["reused"] == THINGS * PHOTOS


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("catalog", "build", "absent", "--out", "x"), "error: absent: no such file or folder"),
        (("catalog", "activate", "absent"), "error: absent: is not there"),
        (("catalog", "inspect", "absent"), "error: absent: is not there"),
        (("catalog", "search", "absent", "x.jpg"), "error: absent: is not there"),
        (("catalog", "evaluate", "absent", "x"), "error: absent: is not there"),
        (("catalog", "embed", "--from", "absent", "--out", "x.npz"), "error: absent: cannot be"),
        (("--config", "absent.toml", "catalog", "activate", "x"), "error: absent.toml: cannot be"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_what_is_not_there_is_said_in_a_sentence(
    surroundings: Surroundings, words: tuple[str, ...], message: str
) -> None:
    assert failed(surroundings.run(*words)).startswith(message)


def test_however_it_is_called_it_is_called_visual_search() -> None:
    called = [sys.executable, "-m", "visual_search", "setup", "--help"]
    done = subprocess.run(called, capture_output=True, text=True)
    assert done.stdout.startswith("Usage: visual-search setup")


def test_debug_shows_the_traceback(surroundings: Surroundings) -> None:
    done = surroundings.run("--debug", "catalog", "inspect", "absent")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "BundleError" in done.stderr


def test_a_misspelt_variable_is_refused(surroundings: Surroundings, small_bundle: Path) -> None:
    done = surroundings.run("catalog", "activate", small_bundle, VISUAL_SEARCH_DEVICE__DATADIR="x")
    assert "VISUAL_SEARCH_DEVICE__DATADIR: no such setting; did you mean data_dir?" in failed(done)


def test_the_settings_file_counts(surroundings: Surroundings, small_bundle: Path) -> None:
    (surroundings.folder / "vs.toml").write_text('[catalog]\nengine = "openvino"\n')
    done = surroundings.run("--config", "vs.toml", "catalog", "activate", small_bundle, "--json")
    assert answer(done)["engine"] == "openvino"


def test_activate_tells_the_new_and_the_former_bundle(
    surroundings: Surroundings, small_bundle: Path
) -> None:
    first = answer(surroundings.run("catalog", "activate", small_bundle, "--json"))
    assert first["bundle"] == verify(small_bundle)[1]
    assert first["previous"] is None
    assert answer(surroundings.run("catalog", "activate", small_bundle, "--json"))["previous"]


@pytest.mark.parametrize(("follows", "said"), [(True, "takes this cat"), (False, "next: visual-")])
def test_activate_knows_an_appliance_that_runs(
    follows: bool,
    said: str,
    tmp_path: Path,
    small_bundle: Path,
    unvalidated: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """This process plays it."""
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    write_edge_state(tmp_path / "data" / "state", edge_state("waiting", "", follows=follows))
    done = CliRunner().invoke(command, ["catalog", "activate", str(small_bundle)])
    assert said in done.output


def test_inspect_checks_and_tells(surroundings: Surroundings, own_bundle: Path) -> None:
    printed = answer(surroundings.run("catalog", "inspect", own_bundle, "--json"))
    assert printed["id"] == verify(own_bundle)[1]
    assert (printed["items"], printed["photos"]) == (THINGS, THINGS * PHOTOS)
    assert "all digests right" in surroundings.run("catalog", "inspect", own_bundle).stdout
    with (own_bundle / "items.db").open("ab") as file:
        file.write(b"x")
    assert "items.db is damaged" in failed(surroundings.run("catalog", "inspect", own_bundle))


@pytest.mark.parametrize("exact", [(), ("--exact",)])
def test_search_prints_json_of_each_photo_best_first(
    surroundings: Surroundings, small_bundle: Path, exact: tuple[str, ...]
) -> None:
    for number in (1, 4):
        (surroundings.folder / f"{number}.png").write_bytes(png(draw_thing(number, view=8)))
    done = surroundings.run(
        "catalog", "search", small_bundle, "1.png", "4.png", "--limit", "3", "--json", *exact
    )
    printed = answer(done)
    assert printed["bundle"] == verify(small_bundle)[1]
    assert [document["photo"] for document in printed["answers"]] == ["1.png", "4.png"]
    for document, number in zip(printed["answers"], (1, 4), strict=True):
        sure = [match["sure"] for match in document["matches"]]
        assert sure == sorted(sure, reverse=True)
        assert len(sure) == 3
        assert document["matches"][0]["sku"] == f"thing-0{number}"
        assert document["matches"][0]["title"] == f"thing 0{number}"
        assert document["unknown"] is False


def test_find_prints_items_best_first(surroundings: Surroundings, small_bundle: Path) -> None:
    find = ("catalog", "find", small_bundle)
    printed = answer(surroundings.run(*find, "THING", "04", "--json"))
    assert (printed["bundle"], printed["query"]) == (verify(small_bundle)[1], "THING 04")
    assert printed["items"][0]["sku"] == "thing-04"
    assert set(printed["items"][0]) == {"sku", "title", "price", "url", "location", "attributes"}
    assert len(answer(surroundings.run(*find, "thnig", "--limit", "3", "--json"))["items"]) == 3
    assert "thing 04" in surroundings.run(*find, "thing04").stdout
    done = surroundings.run(*find, "*")
    assert (done.returncode, done.stdout) == (0, "nothing found\n")


@pytest.mark.parametrize("name", ["absent.png", ".", "notes.txt"])
def test_search_names_a_photo_that_cannot_be_used(
    surroundings: Surroundings, small_bundle: Path, name: str
) -> None:
    (surroundings.folder / "notes.txt").write_text("hello")
    message = failed(surroundings.run("catalog", "search", small_bundle, name))
    assert message.startswith(f"error: {name}: ")


def test_search_answers_the_photos_beside_those_that_cannot_be_used(
    surroundings: Surroundings, small_bundle: Path
) -> None:
    (surroundings.folder / "notes.jpg").write_text("hello")
    (surroundings.folder / "good.png").write_bytes(png(draw_thing(1, view=8)))
    names = ("notes.jpg", "good.png", "absent.png")
    done = surroundings.run("catalog", "search", small_bundle, *names, "--json")
    printed = json.loads(done.stdout)
    assert done.returncode == 1
    assert [document["photo"] for document in printed["answers"]] == ["good.png"]
    assert [document["photo"] for document in printed["errors"]] == ["notes.jpg", "absent.png"]
    assert printed["errors"][1]["error"] == "absent.png: No such file or directory"
    lines = done.stderr.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["error", "notes.jpg"], ["error", "absent.png"]
    ]  # fmt: skip


def test_what_a_table_says_cannot_command_the_terminal(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    rows = [{"sku": "A\x1b[31m", "title": "cup\x1b[2J", "photo": str(things / "thing-01/0.png")}]
    rows += [{"sku": "B", "photo": str(things / "thing-02/0.png")}]
    table = surroundings.folder / "items.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)))
    done = surroundings.run(
        "catalog", "build", table, "--out", "shop", "--model", featurizer_folder
    )
    assert done.returncode == 0, done.stderr
    found = surroundings.run("catalog", "find", "shop", "cup")
    assert r"A\x1b[31m" in found.stdout
    assert r"A\x1b[31m" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr + found.stdout


def test_titles_with_brackets_are_shown_as_they_are(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    photos = Path(shutil.copytree(things, surroundings.folder / "photos"))
    (photos / "thing-01" / "item.json").write_text('{"title": "Nut [m8] [/b] :smile:"}')
    words = ("catalog", "build", photos, "--out", "shop", "--model", featurizer_folder)
    built = surroundings.run(*words, "--title", "[red]Shop[/x]")
    assert built.returncode == 0
    done = surroundings.run("catalog", "search", "shop", photos / "thing-01" / "0.png")
    assert "Nut [m8] [/b] :smile:" in done.stdout
    assert "[red]Shop[/x]" in surroundings.run("catalog", "inspect", "shop").stdout


def test_evaluate_prints_queries_and_fractions(
    surroundings: Surroundings, small_bundle: Path
) -> None:
    for thing, label in ((1, 1), (2, 2), (3, 3), (4, 5)):
        folder = surroundings.folder / "labelled" / f"thing-0{label}"
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(png(draw_thing(thing, view=30)))
    done = surroundings.run("catalog", "evaluate", small_bundle, "labelled", "--json")
    printed = answer(done)
    assert (printed["queries"], printed["top1"]) == (4, 0.75)
    assert 0.75 <= printed["top5"] <= 1
    assert "4 photos: 75.0% right first" in (
        surroundings.run("catalog", "evaluate", small_bundle, "labelled").stdout
    )


def test_embed_writes_paths_as_listed_and_vectors_of_length_one(
    surroundings: Surroundings, things: Path, colour_grid: Featurizer, featurizer_folder: Path
) -> None:
    (surroundings.folder / "a b").mkdir()
    shutil.copy(things / "thing-01" / "0.png", surroundings.folder / "a b" / "ä.png")
    listed = [
        str(things / "thing-00" / "0.png"),
        "a b/ä.png",
        "./a b/../a b/ä.png",
        str(things / "thing-00" / "1.png"),
        str(things / "thing-00" / "0.png"),
    ]
    (surroundings.folder / "list.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    words = ("catalog", "embed", "--from", "list.txt", "--model", featurizer_folder)
    printed = answer(surroundings.run(*words, "--out", "v.npz", "--json"))
    assert (printed["photos"], printed["dimensions"], printed["skipped"]) == (5, 48, [])
    with np.load(surroundings.folder / "v.npz") as data:
        assert sorted(data) == ["paths", "vectors"]
        assert data["paths"].tolist() == listed
        assert data["vectors"].dtype == np.float32
        expected = colour_grid.embed([draw_thing(0), draw_thing(1)])
        assert data["vectors"][:2] == pytest.approx(expected, abs=1e-6)
        assert (data["vectors"][0] == data["vectors"][4]).all()


def test_embed_names_what_it_left_out_and_exits_1(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    good = str(things / "thing-00" / "0.png")
    (surroundings.folder / "list.txt").write_text(f"absent.png\n{good}\n")
    done = surroundings.run(
        *("catalog", "embed", "--from", "list.txt", "--model", featurizer_folder),
        *("--out", "v.npz"),
    )
    assert "left out: absent.png: No such file or directory" in failed(done)
    with np.load(surroundings.folder / "v.npz") as data:
        assert data["paths"].tolist() == [good]


def test_embed_writes_exactly_where_it_is_told_or_says_why_not(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    (surroundings.folder / "list.txt").write_text(f"{things}/thing-00/0.png\n")
    words = ("catalog", "embed", "--from", "list.txt", "--model", featurizer_folder, "--out")
    assert surroundings.run(*words, "vectors").returncode == 0
    assert np.load(surroundings.folder / "vectors")["vectors"].shape == (1, 48)
    message = failed(surroundings.run(*words, "absent/v.npz"))
    assert message.startswith("error: absent/v.npz: cannot be written")


def test_embed_of_nothing_usable_writes_nothing(
    surroundings: Surroundings, featurizer_folder: Path
) -> None:
    (surroundings.folder / "list.txt").write_text("absent.png\n")
    done = surroundings.run(
        *("catalog", "embed", "--from", "list.txt", "--model", featurizer_folder),
        *("--out", "v.npz"),
    )
    assert "no photo of 1 could be read" in failed(done)
    assert not (surroundings.folder / "v.npz").exists()


def test_output_into_a_closed_pipe_is_no_traceback(
    surroundings: Surroundings, small_bundle: Path
) -> None:
    process = surroundings.start("catalog", "inspect", small_bundle, "--json")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert "Traceback" not in errors


def test_json_is_utf_8_even_where_a_files_name_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    printed = {"photo": "a\udcff.jpg", "title": "Schlüssel"}
    print_json(printed)
    out = capsys.readouterr().out
    assert json.loads(out.encode()) == printed


def test_build_says_what_it_took_of_a_table_and_what_it_left_out(
    surroundings: Surroundings, things: Path, featurizer_folder: Path
) -> None:
    (surroundings.folder / "items.csv").write_text(
        "Nr;Ware;Datei;Farbe\n"
        f"1;Cup;{things}/thing-00/0.png;red\n1;Mug;{things}/thing-01/0.png;\n;Total: 2;;\n"
    )
    words = (
        "catalog", "build", "items.csv", "--out", "shop.bundle", "--model", featurizer_folder,
        "--map", 'sku=Nr,title="Ware"', "--map", "photo=Datei",
    )  # fmt: skip
    done = surroundings.run(*words, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["items"], report["photos"]) == (1, 2)
    assert report["notes"] == [
        "items.csv: sku from 'Nr', title from 'Ware', photos from 'Datei'; "
        "'Farbe' becomes an attribute"
    ]
    said = done.stderr.splitlines()
    assert said[0] == report["notes"][0]
    assert said[1] == f"warning: {report['warnings'][0]}"
    assert "line 2 and line 3 have the same sku 1" in said[1]
    assert said[2] == "left out: items.csv, line 4: no sku"
    strict = surroundings.run(*words, "--strict")
    assert strict.returncode == 1
    assert "nothing was built, as --strict says" in strict.stderr
    wrong = surroundings.run(*words[:7], "--map", "sku=No,photo=Datei")
    assert wrong.returncode == 1
    assert "no column is named 'No'; the columns are 'Nr', 'Ware', 'Datei'" in wrong.stderr
