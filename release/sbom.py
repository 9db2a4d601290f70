"""List what the wheels of a folder are made of, as a CycloneDX document (an SBOM).

    python -m release.sbom WHEELHOUSE > sbom.cdx.json

Each wheel is a component with its licence and sha256. Within it stand the native libraries that it
brings: those named by an SBOM of its own (PEP 770), the shared libraries in it, and what OpenCV's
build information says that it was linked with. The same wheels give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

Component = dict[str, Any]

SHARED_LIBRARY = re.compile(
    r"(?P<name>lib[\w+.-]+?)(?:-[0-9a-f]{8})*(?:[.-](?P<before>\d[\d.]*))?\.so"
    r"(?:\.(?P<version>[\d.]+\w?))?$"
)
OF_OPENCV = re.compile(
    rb"^ +(?P<name>ZLib|JPEG|WEBP|AVIF|PNG|TIFF|JPEG 2000|OpenEXR|avcodec|avformat|avutil|swscale"
    rb"|Intel IPP|Lapack|Protobuf): +(?P<text>[^\n]*)$",
    re.M,
)
VERSION_IN_TEXT = re.compile(rb"\(?(?:ver |version |\[)?(\d+(?:\.\d+)+[\w.-]*)")


def bill(wheelhouse: Path) -> dict[str, Any]:
    """Make the document for the wheels in a folder.

    Raises:
        ValueError: A file there is no wheel, or a wheel lacks its name or version.
    """
    others = [path.name for path in wheelhouse.iterdir() if path.suffix != ".whl"]
    if others:
        raise ValueError(f"{wheelhouse}: no wheels: {', '.join(sorted(others))}")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": [component(path) for path in sorted(wheelhouse.glob("*.whl"))],
    }


def component(wheel: Path) -> Component:
    """Describe one wheel with all that it brings.

    Raises:
        ValueError: It lacks its name or version.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        if len(metadata) != 1:
            raise ValueError(f"{wheel.name}: has no METADATA")
        said = HeaderParser().parsestr(archive.read(metadata[0]).decode())
        name, version = said["Name"], said["Version"]
        if not name or not version:
            raise ValueError(f"{wheel.name}: says no name or version")
        parts = parts_of(name, names, archive.read)
    normal = re.sub(r"[-_.]+", "-", name).lower()
    made: Component = {
        "type": "library",
        "bom-ref": wheel.name,
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{normal}@{version}",
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}],
    }
    if licence := licence_of(said.get_all("Classifier", []), said):
        made["licenses"] = [{"license": {"name": licence}}]
    if parts:
        made["components"] = [
            part | {"bom-ref": f"{wheel.name}#{part['name']}@{part.get('version', '')}"}
            for part in parts
        ]
    return made


def parts_of(name: str, files: list[str], read: Callable[[str], bytes]) -> list[Component]:
    """List the native libraries and other parts that a package brings, each once.

    Args:
        name: The package's.
        files: The names of its files.
        read: Returns a file's content.
    """
    parts = [*_own_bills(files, read), *_shared_libraries(files)]
    if name.startswith("opencv"):
        parts += _linked_into_opencv(files, read)
    unique = {(part["name"], part.get("version", "")): part for part in parts}
    return [part for _, part in sorted(unique.items())]


def licence_of(classifiers: list[str], said: Any) -> str:
    """The licence that a wheel names: an expression, a short text, or its classifiers."""
    expression = said["License-Expression"] or said["License"] or ""
    if expression and "\n" not in expression and len(expression) <= 100:
        return str(expression)
    named = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    return ", ".join(named)


def _own_bills(names: list[str], read: Callable[[str], bytes]) -> Iterator[Component]:
    """The components that the wheel's own SBOMs name."""
    for name in names:
        if re.fullmatch(r"[^/]+\.dist-info/sboms/[^/]+\.json", name):
            for part in json.loads(read(name)).get("components", []):
                wanted = ("type", "name", "version", "purl", "licenses")
                yield {key: part[key] for key in wanted if key in part}


def _shared_libraries(names: list[str]) -> Iterator[Component]:
    """The shared libraries in a wheel that are no modules of Python; by their names' versions."""
    for name in names:
        found = SHARED_LIBRARY.fullmatch(name.rpartition("/")[2])
        if found:
            part = {"type": "library", "name": found["name"].rstrip("-_.")}
            version = found["version"] or found["before"]
            yield part | ({"version": version} if version else {})


def _linked_into_opencv(names: list[str], read: Callable[[str], bytes]) -> Iterator[Component]:
    """The libraries in OpenCV's module itself, by the build information that it carries."""
    for name in names:
        if re.fullmatch(r"cv2/cv2[\w.-]*\.so", name):
            for found in OF_OPENCV.finditer(read(name)):
                version = VERSION_IN_TEXT.search(found["text"])
                part = {"type": "library", "name": found["name"].decode()}
                yield part | ({"version": version[1].decode()} if version else {})


if __name__ == "__main__":
    json.dump(bill(Path(sys.argv[1])), sys.stdout, indent=1, ensure_ascii=False, sort_keys=True)
    print()
