"""Say in plain words why a repository is refused: sync's errors in place of python-tuf's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from tuf.api import exceptions

from sync.errors import ExpiredError, ForgedError, RolledBackError, TooLargeError
from sync.trust.release import TIME_FORMAT
from sync.trust.renewal import channel_of, command, signer

ANOTHER_STORE = (
    ". Each store counts for itself: a stick for a device that follows a bucket must be a copy of "
    "that bucket"
)


@contextmanager
def translated_errors(url: str, role: str, expired: Callable[[], ExpiredError]) -> Iterator[None]:
    """Raise sync's errors in place of python-tuf's.

    Args:
        url: The store's address.
        role: The delegated role whose list is loaded; empty for TUF's own four.
        expired: Makes the error for a signature that has expired.

    Raises:
        TrustError: The repository cannot be trusted; its subclasses say why.
        StoreError: Something could not be fetched.
    """
    try:
        yield
    except exceptions.DownloadHTTPError as error:  # its cause is the store's error
        raise (error.__cause__ or error) from None
    except exceptions.DownloadLengthMismatchError as error:
        raise TooLargeError(f"{url}: {error}") from error
    except exceptions.ExpiredMetadataError as error:
        raise expired() from error
    except exceptions.BadVersionNumberError as error:
        raise RolledBackError(f"{url}: older than what was seen: {error}{ANOTHER_STORE}") from error
    except exceptions.UnsignedMetadataError as error:
        if channel := channel_of(role):
            raise ForgedError(
                f"{url}: the list of the channel {channel!r} is not signed with the key that the "
                f"owner gave this channel: {error}"
            ) from error
        raise ForgedError(f"{url}: not signed by enough of the owner's keys: {error}") from error
    except exceptions.RepositoryError as error:
        raise ForgedError(f"{url}: not what the owner signed: {error}") from error


def expired_error(url: str, role: str, expires: datetime, clock: datetime) -> ExpiredError:
    """Make the error for a signature that has expired.

    Args:
        url: The store's address.
        role: Whose signature it is.
        expires: When it ended.
        clock: What this machine's clock says.
    """
    return ExpiredError(
        f"{url}: the owner's signature ({role}) was valid until {format_time(expires)}; this "
        f"device's clock says {format_time(clock)}. If the clock is wrong, set it; if not, "
        f"{signer(role)} has to run: {command(role)}",
        expires,
        clock,
    )


def format_time(time: datetime | None) -> str:
    """Return a time as messages have it."""
    return "without a date" if time is None else time.strftime(TIME_FORMAT)
