"""Signed catalogues and releases.

securesystemslib, below TUF, imports boto3, where that is installed, for a signer that nothing here
uses: a fifth of a second and 15 MB in each process that checks a signature. So it is given a module
in place of that signer's.
"""

from __future__ import annotations

import sys
from types import ModuleType

SIGNER = "securesystemslib.signer._aws_signer"


class _AbsentSigner:
    """Stands where securesystemslib names its signer by AWS' key service."""

    SCHEME = "awskms"


if SIGNER not in sys.modules:
    _module = ModuleType(SIGNER)
    _module.AWSSigner = _AbsentSigner  # type: ignore[attr-defined]
    sys.modules[SIGNER] = _module
