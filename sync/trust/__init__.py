"""Signed catalogues and releases.

securesystemslib, below TUF, imports boto3, where that is installed, for a signer that nothing here
uses: a fifth of a second and 15 MB in each process that checks a signature. It does without, where
boto3 cannot be imported, and so it is imported here.
"""

from __future__ import annotations

import sys

if "boto3" not in sys.modules:
    sys.modules["boto3"] = None  # type: ignore[assignment]  # an import of it fails meanwhile
    try:
        import securesystemslib.signer  # noqa: F401
    finally:
        del sys.modules["boto3"]
