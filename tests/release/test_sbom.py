"""The list of what a device's wheels are made of."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from release.sbom import bill, component

BUILD = (
    b"\0  Media I/O: \n    ZLib:      build (ver 1.3.1)\n    PNG:   build-libpng (ver 1.6.58)\n\0"
)


def write_wheel(folder: Path, name: str, metadata: str, **files: bytes) -> Path:
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", metadata)
        for path, data in files.items():
            archive.writestr(path, data)
    return wheel


def parts_of(made: dict[str, object]) -> set[tuple[str, str]]:
    parts = made.get("components", [])
    assert isinstance(parts, list)
    return {(part["name"], part.get("version", "")) for part in parts}


def test_a_wheel_is_named_with_its_licence_and_digest(tmp_path: Path) -> None:
    said = "Name: Some_Part\nVersion: 1.0\nLicense-Expression: MIT\n\nName: a trap\n"
    wheel = write_wheel(tmp_path, "some_part", said)
    made = component(wheel)
    assert (made["name"], made["version"]) == ("Some_Part", "1.0")
    assert made["purl"] == "pkg:pypi/some-part@1.0"
    assert made["licenses"] == [{"license": {"name": "MIT"}}]
    assert made["hashes"][0]["content"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert "components" not in made


@pytest.mark.parametrize(
    ("file", "name", "version"),
    [
        ("av.libs/libx265-f5385bb8.so.216", "libx265", "216"),
        ("pillow.libs/libpng16-1d1ba958.so.16.58.0", "libpng16", "16.58.0"),
        ("x.libs/libcrypto-a324fe28.so.1.1.1k", "libcrypto", "1.1.1k"),
        ("numpy.libs/libgfortran-040039e1-0352e75f.so.5.0.0", "libgfortran", "5.0.0"),
        ("onnxruntime/capi/libonnxruntime.so.1.32.0", "libonnxruntime", "1.32.0"),
        ("openblas.libs/libopenblasp-r0-59ffcd50.3.15.so", "libopenblasp-r0", "3.15"),
        ("lib/libwithout.so", "libwithout", ""),
    ],
)
def test_shared_libraries_are_named_with_versions(
    tmp_path: Path, file: str, name: str, version: str
) -> None:
    wheel = write_wheel(tmp_path, "x", "Name: x\nVersion: 1.0\n", **{file: b"", "x.so": b""})
    assert parts_of(component(wheel)) == {(name, version)}


def test_what_is_linked_into_opencv_and_what_a_wheel_says_itself_are_named(tmp_path: Path) -> None:
    own = {"components": [{"type": "library", "name": "libavif", "version": "1.4.2", "bom-ref": 1}]}
    wheel = write_wheel(
        tmp_path, "opencv_python_headless", "Name: opencv-python-headless\nVersion: 1.0\n",
        **{"cv2/cv2.abi3.so": BUILD,
           "opencv_python_headless-1.0.dist-info/sboms/auditwheel.cdx.json":
               json.dumps(own).encode()},
    )  # fmt: skip
    assert parts_of(component(wheel)) == {
        ("ZLib", "1.3.1"), ("PNG", "1.6.58"), ("libavif", "1.4.2"),
    }  # fmt: skip


def test_the_same_wheels_give_the_same_document_without_duplicates(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_wheel(tmp_path, name, f"Name: {name}\nVersion: 1.0\nLicense: MIT\n")
    command = [sys.executable, "-m", "release.sbom", str(tmp_path)]
    first, second = (
        subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)
    )
    assert first == second
    document = json.loads(first)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert [made["name"] for made in document["components"]] == ["a", "b"]


def test_what_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "part.tar.gz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"no wheels: part\.tar\.gz"):
        bill(tmp_path)
    (tmp_path / "part.tar.gz").unlink()
    write_wheel(tmp_path, "nameless", "Version: 1.0\n")
    with pytest.raises(ValueError, match=r"nameless.*says no name"):
        bill(tmp_path)
