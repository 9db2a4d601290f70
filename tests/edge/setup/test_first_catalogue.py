"""A device's first catalogue: where it is found, and how the device builds it."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from catalog.bundles.shelf import Shelf
from catalog.core.errors import VisualSearchError
from edge.setup import first_catalogue
from tests.edge.setup.conftest import photos_in, run


@pytest.mark.slow
def test_the_catalogue_comes_from_the_stick(stick: Path, device: Path, small_bundle: Path) -> None:
    shutil.copytree(small_bundle, stick / "shop.bundle")
    file = stick / "visual-search.toml"
    file.write_text(file.read_text().replace("[setup]", '[setup]\ncatalogue = "shop.bundle"'))
    assert run("--from", stick).exit_code == 0
    assert Shelf(device / "data" / "shelf").active() is not None


@pytest.mark.slow
def test_the_catalogue_is_built_of_photos_on_the_stick(
    stick: Path, device: Path, builder: Path
) -> None:
    photos, file = photos_in(stick), stick / "visual-search.toml"
    changed = file.read_text().replace("[setup]", '[setup]\ncatalogue = "photos"')
    file.write_text(changed + '\n[catalog]\nengine = "onnxruntime"\n')
    done = run("--from", stick)
    assert done.exit_code == 0, done.output
    assert f"building the catalogue on this device from {photos}" in done.output
    assert "the catalogue has 6 items and 24 photos" in done.output
    assert Shelf(device / "data" / "shelf").active() is not None
    told = builder.read_text()
    assert tomllib.loads(told.partition("--config")[0]) == {"catalog": {"engine": "onnxruntime"}}
    built = device / "data" / first_catalogue.BUILT
    assert told.endswith(f"catalog build {photos} --out {built} --json\n")
    assert not built.exists()
    assert sorted(path.name for path in photos.iterdir()) == ["bolt", "cup"]


@pytest.mark.slow
@pytest.mark.parametrize("camera", ["/dev/video0", "simulated:6"])
def test_the_demonstration_is_drawn_and_built_here(
    stick: Path, device: Path, builder: Path, camera: str
) -> None:
    """A folder of that name is written with `./`."""
    photos_in(stick).rename(stick / "demonstration")
    file, data = stick / "visual-search.toml", device / "data"
    text = file.read_text().replace("rtsp://user:secret@camera/stream", camera)
    file.write_text(text.replace("[setup]", '[setup]\ncatalogue = "demonstration"'))
    done = run("--from", stick)
    assert done.exit_code == 0, done.output
    drawn = data / "demo" / "photos"
    built = data / first_catalogue.BUILT
    assert builder.read_text().endswith(
        f"catalog build {drawn}/items.csv --out {built} --json --title Demonstration\n"
    )
    assert Shelf(data / "shelf").active() is not None
    assert (drawn / "items.csv").exists()  # the photos stay, to be shown to the camera
    last = done.output.splitlines()[-1]
    shown = "by itself" if camera == "simulated:6" else f"the pictures of its goods in {drawn}. "
    assert last.startswith("this catalogue is the demonstration; ")
    assert shown in last
    assert "run 'sudo visual-search setup' again, and answer stick" in last
    file.write_text(text.replace("[setup]", '[setup]\ncatalogue = "./demonstration"'))
    done = run("--from", stick)
    assert done.exit_code == 0, done.output
    assert f"building the catalogue on this device from {stick}/demonstration;" in done.output
    assert "this catalogue is the demonstration" not in done.output


def test_a_catalogue_that_cannot_be_built_changes_nothing(
    stick: Path, device: Path, systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos_in(stick)
    monkeypatch.setattr(first_catalogue, "program", lambda: ["false"])
    file = stick / "visual-search.toml"
    file.write_text(file.read_text().replace("[setup]", '[setup]\ncatalogue = "photos"'))
    assert "no catalogue could be built of it" in str(run("--from", stick).exception)
    assert not (device / "etc").exists()
    assert not systemd.exists()


def test_all_that_lies_beside_install_is_found(tmp_path: Path) -> None:
    """Of two places none is offered."""
    photos_in(tmp_path)
    for name in ("install", "visual-search_1+deb12_amd64.deb"):
        (tmp_path / name).touch()
    (tmp_path / "items.csv").write_text("sku,title,photo\n1,cup,photos/cup/1.jpg\n")
    (tmp_path / "prices.csv").write_text("sku,title,photo\n1,cup,\n")
    (tmp_path / "shop.bundle").mkdir()
    (tmp_path / "shop.bundle" / "manifest.json").touch()
    found = first_catalogue.beside_install([tmp_path, tmp_path / "photos"])
    assert [path.name for path in found] == ["items.csv", "photos", "shop.bundle"]


@pytest.mark.parametrize(("user", "is_launcher"), [(0, True), (990, False)])
def test_root_builds_as_the_user_of_the_services(
    user: int, is_launcher: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "launcher").touch()
    monkeypatch.setattr(first_catalogue, "LAUNCHER", tmp_path / "launcher")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert first_catalogue.program()[:2] == [sys.executable, "-P"]  # nothing of the stick's is run
    monkeypatch.setattr(sys, "prefix", "/opt/visual-search/0.2.0+deb12")
    expected = str(tmp_path / "launcher") if is_launcher else sys.executable
    assert first_catalogue.program()[0] == expected


def test_one_setup_at_a_time_builds_a_catalogue(device: Path, builder: Path) -> None:
    photos, data = photos_in(device), device / "data"
    refused = pytest.raises(VisualSearchError, match="another setup builds its catalogue here")
    with first_catalogue.bundle_of(photos, data, "") as bundle:
        with refused, first_catalogue.bundle_of(photos, data, ""):
            pass  # never reached
        assert bundle is not None
        assert bundle.is_dir()
    assert not bundle.exists()


def test_an_option_of_the_build_is_said_to_be_one(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("Ware,Datei\ncup,a.jpg\n")
    with pytest.raises(VisualSearchError) as caught:
        first_catalogue.check_place(table)
    assert "say which column it is by --map" in str(caught.value)
    assert f"given to 'visual-search catalog build {table} --out BUNDLE'" in str(caught.value)


def test_a_folder_that_is_gone_or_closed_is_no_install_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "stick"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert first_catalogue.current_folder() == Path("/")

    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", closed)
    assert not first_catalogue.is_install_folder(tmp_path)
    assert first_catalogue.beside_install([tmp_path]) == []
