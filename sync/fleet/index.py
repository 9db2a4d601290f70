"""Read a fleet's devices from AWS IoT's fleet index, of which the shadows are a part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from catalog.core.errors import MissingExtraError
from sync.errors import FleetError, FleetIndexError
from sync.fleet.devices import Device, device_of
from sync.fleet.shadow import NAME

PAGE = 100  # things in an answer, the most that AWS gives
ALL = "thingName:*"
HINTS = {
    "ResourceNotFoundException": "things are not indexed yet; see docs/aws.md",
    "IndexNotReadyException": "the index is being built; try again in some minutes",
    "UnauthorizedException": "allow iot:SearchIndex",
    "AccessDeniedException": "allow iot:SearchIndex",
    "InvalidQueryException": "mend --query",
}


def client(region: str = "") -> Any:
    """A client of AWS IoT's API.

    Args:
        region: AWS's region; where empty, boto3 finds it.

    Raises:
        FleetIndexError: boto3 knows no region.
        MissingExtraError: boto3 is not installed.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise MissingExtraError("the fleet's index", "s3") from error
    try:
        return boto3.Session().client("iot", region_name=region or None)
    except (BotoCoreError, ValueError) as error:
        raise FleetIndexError(f"AWS IoT's index: {error}") from error


def search(iot: Any, query: str) -> Iterator[tuple[str, Device | FleetError]]:
    """Yield each thing's name and what the index has of it.

    Args:
        iot: As `client` makes it.
        query: Which things, in the index's language; empty for all that have the shadow.

    Yields:
        The error instead of a device where one document cannot be used.

    Raises:
        FleetIndexError: The index cannot be read; says what to do.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    request: dict[str, Any] = {"queryString": query or ALL, "maxResults": PAGE}
    try:
        while True:
            answer = iot.search_index(**request)
            for thing in answer.get("things", []):
                found = _device(thing, every=bool(query))
                if found is not None:
                    yield thing["thingName"], found
            token = answer.get("nextToken")
            if not token or token == request.get("nextToken"):
                return
            request["nextToken"] = token
    except ClientError as error:
        code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
        hint = f"; {HINTS[code]}" if code in HINTS else ""
        raise FleetIndexError(f"AWS IoT's index: {code}: {message}{hint}") from error
    except BotoCoreError as error:
        raise FleetIndexError(f"AWS IoT's index: {error}") from error


def _device(thing: dict[str, Any], *, every: bool) -> Device | FleetError | None:
    """A thing as the index has it; None for one without our shadow, unless `every` is wanted."""
    try:
        shadow = named_shadow(thing)
        if shadow is None and not every:
            return None
        return device_of(thing["thingName"], shadow or {}, thing.get("connectivity"))
    except FleetError as error:
        return error


def named_shadow(thing: dict[str, Any]) -> Any:
    """Our shadow in what the index has of a thing; None where it has none.

    Raises:
        FleetError: The index's text cannot be read.
    """
    try:
        shadows = json.loads(thing.get("shadow") or "{}")
    except (ValueError, TypeError) as error:
        raise FleetError(f"the shadow is no JSON: {error}") from error
    except RecursionError:
        raise FleetError("the shadow is no JSON: too deep") from None
    names = shadows.get("name") if isinstance(shadows, dict) else None
    return names.get(NAME) if isinstance(names, dict) else None
