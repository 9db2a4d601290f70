"""The scripts of a package, with stand-ins for the system; `make device-test` boots a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from catalog.synthetic import fonts

DEVICE = Path(__file__).parents[2] / "device"
ARCHITECTURE = subprocess.run(
    ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
).stdout.strip()
ARGUMENTS = '#!/bin/sh\nprintf "%s " "$0" "$@"\n'
NEXT = (
    "next: sudo visual-search setup, "
    "or open http://localhost:8080/setup in a browser on this device"
)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def launcher(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """The launcher as root calls it, where it says what it would run."""
    program = script(tmp_path / "program", ARGUMENTS)
    text = (DEVICE / "launcher").read_text()
    text = text.replace("/opt/visual-search/current/bin/visual-search", str(program))
    script(tmp_path / "bin" / "setpriv", ARGUMENTS)
    script(tmp_path / "bin" / "id", "#!/bin/sh\necho 0\n")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    others = {key: value for key, value in os.environ.items() if "VISUAL_SEARCH" not in key}
    return script(tmp_path / "visual-search", text), others | {"PATH": path}


@pytest.mark.parametrize(
    ("words", "as_root"),
    [
        (["setup", "--seal"], True),
        (["--debug", "--config", "report", "backup", "a.tar.gz"], True),
        (["--config", "setup", "edge", "run"], False),
        (["catalog", "build", "setup"], False),
        ([], False),
    ],
)
def test_root_becomes_the_devices_user(
    words: list[str], as_root: bool, launcher: tuple[Path, dict[str, str]]
) -> None:
    command, environment = launcher
    done = subprocess.run([command, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" ".join(["program", *words, ""]))
    assert ("setpriv --reuid visual-search" in done.stdout) is not as_root


@pytest.mark.parametrize(
    ("words", "is_refused"),
    [
        (["edge", "pin"], True),
        (["--debug", "catalog", "activate", "shop.bundle"], True),
        (["sync", "software", "update"], True),
        (["doctor"], True),
        (["sync", "publish", "shop.bundle"], False),
        (["catalog", "build", "photos"], False),
        (["edge", "pin", "--help"], False),
        (["--config", "my.toml", "edge", "pin"], False),
    ],
)
def test_an_ordinary_user_does_not_work_on_another_device_by_mistake(
    words: list[str], is_refused: bool, launcher: tuple[Path, dict[str, str]]
) -> None:
    command, environment = launcher
    ted = '#!/bin/sh\n[ "$1" = -un ] && echo ted || echo 1000\n'
    script(Path(environment["PATH"].partition(":")[0]) / "id", ted)
    done = subprocess.run([command, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == (77 if is_refused else 0), done.stderr
    said = " ".join(word for word in words if not word.startswith("-"))
    expected = f"error: this is for the device itself, as root: sudo visual-search {said}\n"
    assert done.stderr == (expected if is_refused else "")


@pytest.mark.parametrize(
    ("words", "reads_all"),
    [
        (["catalog", "build", "photos"], True),
        (["--config", "a.toml", "verify-release", "folder"], True),
        (["sync", "software", "--debug", "install", "folder"], True),
        (["sync", "software", "update"], False),
        (["sync", "once"], False),
        (["edge", "run", "catalog"], False),
        (["doctor"], False),
    ],
)
def test_only_commands_that_are_given_files_read_what_root_reads(
    words: list[str], reads_all: bool, launcher: tuple[Path, dict[str, str]]
) -> None:
    command, environment = launcher
    done = subprocess.run([command, *words], env=environment, capture_output=True, text=True)
    rights = "-all,+dac_read_search" if reads_all else "-all"
    assert f"--ambient-caps {rights} --bounding-set {rights} env" in done.stdout


@pytest.mark.parametrize(("starts", "stays"), [(True, "2.0"), (False, "previous")])
def test_a_version_that_does_not_start_gives_way_to_the_one_before(
    starts: bool, stays: str, tmp_path: Path
) -> None:
    base = tmp_path / "opt"
    for name in ("1.0", "previous", "2.0"):
        (base / name).mkdir(parents=True)
    (base / "current").symlink_to("previous")
    text = (DEVICE / "debian" / "postinst").read_text().replace("@VERSION@", "2.0")
    for path, other in (
        ("/opt/visual-search", base),
        ("/run/systemd/system", tmp_path),
        ("/var/lib/visual-search", tmp_path / "data"),
        ("/var/cache/visual-search", tmp_path / "cache"),
        ("/etc/visual-search", tmp_path / "etc"),
    ):
        text = text.replace(path, str(other))
    for name in ("getent", "useradd", "usermod", "install", "setpriv"):
        script(tmp_path / "bin" / name, "#!/bin/sh\n")
    fails = f'[ "$1" != restart ] || [ "$(readlink {base}/current)" != 2.0 ]'
    script(tmp_path / "bin" / "systemctl", "#!/bin/sh\n" + ("" if starts else fails + "\n"))
    done = subprocess.run(
        [script(tmp_path / "postinst", text), "configure", "1.0"],
        env=os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert os.readlink(base / "current") == stays
    assert (done.returncode == 0) is starts
    assert (base / "previous").exists() is not starts
    assert ("2.0 does not start; the version before goes on" in done.stderr) is not starts


def test_the_running_version_is_put_aside_before_its_files_are_replaced(tmp_path: Path) -> None:
    base = tmp_path / "opt"
    program = script(base / "1.0" / "bin" / "visual-search", "old")
    (base / "current").symlink_to("1.0")
    text = (DEVICE / "debian" / "preinst").read_text()
    preinst = script(tmp_path / "preinst", text.replace("/opt/visual-search", str(base)))
    for _ in range(2):  # again, after an upgrade that went back
        subprocess.run([preinst, "upgrade", "1.0"], check=True)
        assert os.readlink(base / "current") == "previous"
        assert (base / "current" / "bin" / "visual-search").samefile(program)
    replaced = script(program.with_name("new"), "new").rename(program)  # as dpkg replaces a file
    assert replaced.read_text() == "new"
    assert (base / "current" / "bin" / "visual-search").read_text() == "old"


@pytest.mark.parametrize(
    ("files", "message"),
    [([], "no package for Debian 99 on"), (["visual-search_1+deb12_amd64.deb"], "no package for")],
)
def test_a_stick_without_a_fitting_package_is_named(
    files: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "os-release").write_text('VERSION_ID="99"\n')
    text = (DEVICE / "install").read_text().replace("/etc/os-release", str(tmp_path / "os-release"))
    for name in files:
        (tmp_path / name).touch()
    script(tmp_path / "bin" / "id", "#!/bin/sh\necho 0\n")
    done = subprocess.run(
        ["sh", script(tmp_path / "install", text)],
        env=os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert message in done.stderr


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A stick with a package that needs Python, and a Debian in which only bash is installed."""
    (tmp_path / "os-release").write_text('VERSION_ID="99"\n')
    text = (DEVICE / "install").read_text().replace("/etc/os-release", str(tmp_path / "os-release"))
    folder = tmp_path / "my stick"
    script(folder / "install", text)
    (folder / "debian").mkdir()
    needs = (
        "python9 (>= 9.1), bash:any (>= 1), nano | bash, shell-of-some-kind, libbash (>= 2) | sh"
    )
    deb(folder / f"visual-search_1+deb99_{ARCHITECTURE}.deb", needs)
    (tmp_path / "admin").mkdir()
    (tmp_path / "admin" / "status").write_text(
        "Package: bash\nStatus: install ok installed\nArchitecture: all\nVersion: 5\n"
        "Maintainer: a <a@localhost>\nProvides: libbash (= 1), sh\nDescription: a shell\n\n"
        "Package: python9\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 9.2\n"
        "Maintainer: a <a@localhost>\nDescription: removed\n"
    )
    script(tmp_path / "bin" / "id", "#!/bin/sh\necho 0\n")
    script(tmp_path / "bin" / "apt-get", '#!/bin/sh\nfor last; do basename -- "$last"; done\n')
    return folder


def deb(path: Path, needs: str = "", name: str = "", version: str = "1") -> None:
    """A Debian package without files."""
    control = path.parent / "made" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text(
        f"Package: {name or path.name.partition('_')[0]}\n"
        f"Version: {version}\nArchitecture: {ARCHITECTURE}\n"
        f"Maintainer: a <a@localhost>\n{f'Depends: {needs}' if needs else 'Section: admin'}\n"
        "Description: a part\n"
    )
    made = ["dpkg-deb", "-Znone", "--build", str(control.parents[1]), str(path)]
    subprocess.run(made, check=True, capture_output=True)
    shutil.rmtree(control.parents[1])


def install(folder: Path) -> subprocess.CompletedProcess[str]:
    top = folder.parent
    return subprocess.run(
        ["sh", folder / "install"],
        env=os.environ
        | {"PATH": f"{top / 'bin'}:{os.environ['PATH']}", "DPKG_ADMINDIR": str(top / "admin")},
        capture_output=True,
        text=True,
    )


def test_what_debian_lacks_is_named_before_anything_is_changed(stick: Path) -> None:
    done = install(stick)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "needs and this device lacks: python9 shell-of-some-kind; nothing" in done.stderr
    assert "apt-get install python9 shell-of-some-kind\n" in done.stderr
    assert f"for Debian 99 on {ARCHITECTURE}, into {stick}/debian\n" in done.stderr


def test_what_debian_lacks_may_lie_on_the_stick(stick: Path) -> None:
    debian = stick / "debian"
    deb(debian / f"python9_9.2_{ARCHITECTURE}.deb", "libpython9", version="9.2")
    deb(debian / f"dash_1_{ARCHITECTURE}.deb", name="shell-of-some-kind")
    deb(debian / f"bash_4_{ARCHITECTURE}.deb")
    (debian / "other_1_sparc.deb").touch()
    assert "this device lacks: libpython9; nothing" in install(stick).stderr
    deb(debian / f"libpython9_9.2_{ARCHITECTURE}.deb")
    done = install(stick)
    assert done.returncode == 0, done.stderr
    given = done.stdout.splitlines()
    assert {"--no-remove", "--allow-downgrades"} < set(given)
    assert given[given.index("--no-install-recommends") + 1 :] == [
        f"visual-search_1+deb99_{ARCHITECTURE}.deb",
        *(f"{name}_{ARCHITECTURE}.deb" for name in ("dash_1", "libpython9_9.2", "python9_9.2")),
        NEXT,
    ]  # fmt: skip


def test_a_damaged_package_on_the_stick_is_named(stick: Path) -> None:
    whole = stick / "debian" / f"python9_9.2_{ARCHITECTURE}.deb"
    deb(whole, version="9.2")
    for file in (whole, stick / f"visual-search_1+deb99_{ARCHITECTURE}.deb"):
        content = file.read_bytes()
        for kept in (100, len(content) - 20):  # also where what is cut off are files alone
            file.write_bytes(content[:kept])
            done = install(stick)
            assert (done.returncode, done.stdout) == (1, "")
            assert f"{file} is damaged, as where a stick is pulled out too early" in done.stderr
        file.write_bytes(content)


def test_what_is_too_old_may_lie_on_the_stick_newer(stick: Path) -> None:
    debian, package = stick / "debian", f"visual-search_1+deb99_{ARCHITECTURE}.deb"
    deb(debian / f"bash_6_{ARCHITECTURE}.deb", version="6")
    (stick / package).unlink()
    deb(stick / package, "bash (>= 5)")
    script(
        stick.parent / "bin" / "dpkg",
        '#!/bin/sh\n[ "$1" != --install ] || exit 0\nexec /usr/bin/dpkg "$@"\n',
    )
    assert install(stick).stdout == f"{NEXT}\n"  # by dpkg alone: bash stays
    (stick / package).unlink()
    deb(stick / package, "bash (>= 6)")
    done = install(stick)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:-1] == [package, f"bash_6_{ARCHITECTURE}.deb"]
    (stick / package).unlink()
    deb(stick / package, "bash (>= 7)")
    assert "this device lacks: bash; nothing" in install(stick).stderr


def left_out(site: Path) -> list[str]:
    """What a device's package would leave out of a folder of packages."""
    done = subprocess.run(
        [DEVICE / "leave-out", "--list", site], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_the_program_imports_nothing_that_its_package_leaves_out() -> None:
    site = Path(numpy.__file__).parents[1]
    paths = left_out(site)
    assert not {str(fonts.path(face).relative_to(site)) for face in fonts.FACES} & set(paths)
    assert "font_lato/files/Lato-Thin.ttf" in paths
    assert {"numpy/f2py", "numpy/tests", "cv2/data/haarcascade_eye.xml", "pygments"} <= set(paths)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.left_out"],
        input="\n".join(str(site / path) for path in paths),
        cwd=DEVICE.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["pygments"]  # by the command that httpx has; it copes without


def test_what_is_left_out_is_removed_and_nothing_else(tmp_path: Path) -> None:
    gone = (
        "bin/flask", "numpy/lib/tests/data/a.npy", "numpy/_core/_umath_tests.abi3.so",
        "numpy/__init__.pyi", "onnxruntime/capi/libonnxruntime.so.1.32.0", "cv2/data/eye.xml",
        "botocore/data/ec2/2016-11-15/service-2.json.gz", "pygments/lexers/c.py",
    )  # fmt: skip
    stays = (
        "numpy/testing/__init__.py", "numpy/typing/__init__.py", "cv2/data/__init__.py",
        "onnxruntime/capi/onnxruntime_pybind11_state.so", "botocore/data/endpoints.json",
        "botocore/data/s3/service-2.json.gz", "botocore/data/sso-oidc/service-2.json.gz",
        "flask-3.1.3.dist-info/licenses/LICENSE.txt",
    )  # fmt: skip
    for name in (*gone, *stays):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run([DEVICE / "leave-out", tmp_path], check=True)
    assert sorted(
        str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()
    ) == sorted(stays)
