"""Releases of a stub of the program: one wheel that starts, serves and answers as it is told."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from sync.software.install import target
from sync.trust import software
from sync.trust.keys import KeyFolder
from sync.trust.software import Software

# What the stub does, by the word HOW: answers, ends at once, never listens, or finds another item.
PROGRAM = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOW = "{how}"


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/api/showcase":
            self.answer(json.dumps({{"items": [{{"sku": "4711", "photo": "/photos/1"}}]}}).encode())
        else:
            self.answer(b"photo")

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        sku = "4711" if HOW == "well" and asked == b"photo" else "another"
        self.answer(json.dumps({{"matches": [{{"sku": sku}}]}}).encode())

    def answer(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def main():
    if "status" in sys.argv:
        return print("{{}}")
    if HOW == "ends":
        sys.exit("error: this version cannot start")
    port = int(sys.argv[sys.argv.index("--port") + 1])
    if HOW == "silent":
        import threading
        threading.Event().wait()
    ThreadingHTTPServer(("127.0.0.1", port), Page).serve_forever()
"""


def write_wheel(folder: Path, version: str, how: str = "well") -> Path:
    """Write the stub's wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"visual_search-{version}-py3-none-any.whl"
    info = f"visual_search-{version}.dist-info"
    files = {
        "visual_search_stub.py": PROGRAM.format(how=how),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: visual-search\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nvisual-search = visual_search_stub:main\n",
    }
    names = [*files, f"{info}/RECORD"]
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in names)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return wheel


def write_release(folder: Path, version: str, keys: KeyFolder, how: str = "well") -> Software:
    """Write a signed release of the stub for this Python and machine."""
    shutil.rmtree(folder, ignore_errors=True)
    write_wheel(folder / "wheels" / target(), version, how)
    (folder / "CHANGELOG.md").write_text(f"## {version}\n")
    return software.sign(folder, version, keys)
