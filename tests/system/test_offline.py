"""Every command works where there is no network, and asks for none unless it is told to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import cv2
import pytest

from catalog.synthetic.items import drawn_items
from catalog.synthetic.photos import photograph
from edge.cli.demo import PHOTOS
from tests.support import offline_commands
from tests.support.networks import write_featurizer
from visual_search.command import command as program

ROOT = Path(__file__).parents[2]
OF_THE_NETWORK = {"catalog model pull", "sync provision"}  # which are there to fetch something
THINGS, FOREIGN = 5, 2  # in the catalogue, and others


@pytest.mark.slow
def test_no_command_asks_the_network_or_leaves_a_file(demonstration: Path, tmp_path: Path) -> None:
    folders = sorted((demonstration.parent / "photos" / "photos").iterdir())[: THINGS + FOREIGN]
    shutil.copytree(demonstration.parent, tmp_path / "data" / "demo")
    page = ["tcp 0100007F:1F90"]  # port 8080 of loopback alone
    expected = dict(zip(offline_commands.SERVE, (page, page, []), strict=True))
    assert run_offline(tmp_path, folders, "all") == expected


@pytest.mark.slow
@pytest.mark.mxnet
def test_no_command_asks_the_network_or_leaves_a_file_with_mxnet(tmp_path: Path) -> None:
    """Of the demonstration nothing but the photos is needed, and few of them."""
    folders = []
    for item in sorted(drawn_items(), key=lambda item: item.sku)[: THINGS + FOREIGN]:
        folders.append(tmp_path / "drawn" / item.sku)
        folders[-1].mkdir(parents=True)
        for number in range(PHOTOS):
            cv2.imwrite(str(folders[-1] / f"{number + 1}.jpg"), photograph(item, number))
    assert run_offline(tmp_path, folders, "mxnet") == {}


def run_offline(tmp_path: Path, folders: list[Path], engines: str) -> dict[str, list[str]]:
    """Run commands on the photos in `folders`; nothing may be asked for or left.

    Returns:
        The addresses where each command listened.
    """
    for number, folder in enumerate(folders):
        shutil.copytree(
            folder, tmp_path / ("photos" if number < THINGS else "foreign") / folder.name
        )
    shutil.copytree(tmp_path / "photos" / folders[0].name, tmp_path / "labelled" / folders[0].name)
    first = sorted(folders[0].iterdir())[0]
    shutil.copy(first, tmp_path / "photo.png")
    (tmp_path / "only").mkdir()
    shutil.copy(first, tmp_path / "only" / first.name)
    (tmp_path / "list.txt").write_text(f"{first}\n")
    shutil.copy(write_featurizer(tmp_path / "featurizer") / "network.onnx", tmp_path)
    (tmp_path / "passphrase").write_text("five random words are enough\n")
    (tmp_path / "passphrase").chmod(0o600)
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    for name in ("user", "temporary", "store", "settings", "stick"):
        (tmp_path / name).mkdir()
    (tmp_path / "stick" / "visual-search.toml").write_text('[edge]\ncamera = "only"\n')
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    program = [sys.executable, "-m", offline_commands.__name__, engines]
    done = subprocess.run(
        ["unshare", "--net", "--mount", *user, *program],
        cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path / "user"),
            "TMPDIR": str(tmp_path / "temporary"),
            "VISUAL_SEARCH_DEVICE__DATA_DIR": str(tmp_path / "data"),
            "VISUAL_SEARCH_CATALOG__CACHE_DIR": str(tmp_path / "cache"),
            "VISUAL_SEARCH_SYNC__SOURCE": f"file://{tmp_path}/store",
            "VISUAL_SEARCH_OUTBOX__TRANSPORT": "file",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    noted = json.loads((tmp_path / "noted.json").read_text())
    asked = {command: lines for command, lines in noted["asked"].items() if lines}
    proof = [offline_commands.NAME, f"IPv4 to {offline_commands.ADDRESS}, protocol 17"]
    begun = ["listening", proof[0], "listening", proof[1]]
    assert asked == {"at the beginning": begun, "at the end": proof}
    for name in ("user", "temporary"):
        left = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / name).rglob("*"))
        assert left == [], "files were left outside of our folders"
    listened: dict[str, list[str]] = noted["listened"]
    return listened


def test_the_test_above_runs_every_command() -> None:
    texts = [*offline_commands.ENDS, *offline_commands.SERVE]
    left = [
        name
        for name in commands(program, "")
        if name not in OF_THE_NETWORK and not any(f"visual-search {name}" in text for text in texts)
    ]
    assert left == []


def commands(group: click.Group, prefix: str) -> list[str]:
    """The names of all commands of a group that do something of their own."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += commands(command, f"{prefix}{name} ")
            if not command.invoke_without_command:
                continue
        found.append(f"{prefix}{name}")
    return found
