"""A real nginx as a reverse proxy before the page."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.ports import free_port

NGINX = Path("/usr/sbin/nginx")
PATIENCE_S = 60.0
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  scgi_temp_path {folder}/scgi;
  uwsgi_temp_path {folder}/uwsgi;
  client_max_body_size 20m;
  server {{
    listen 127.0.0.1:{port};
    {server}
  }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, server: str) -> Iterator[str]:
    """Run nginx with what stands in a server's block of its configuration; gives its address."""
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=folder, port=port, server=server))
    process = subprocess.Popen(
        [NGINX, "-p", folder, "-e", "stderr", "-c", file], stdout=subprocess.DEVNULL
    )
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process answers at a port."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None, "nginx ended"
        assert time.monotonic() < deadline, "nginx does not answer"
        with contextlib.suppress(OSError, http.client.HTTPException):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.01)
