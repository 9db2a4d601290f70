"""The serial number that this device names to AWS IoT."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

PLACES = (
    Path("/sys/firmware/devicetree/base/serial-number"),  # of a Raspberry Pi; all may read it
    Path("/sys/class/dmi/id/product_serial"),  # of a PC; root may read it
)
MAX_LETTERS = 80
# What makers of boards leave there.
NONE = re.compile(
    r"(to.be.filled|default|system|none|unknown|invalid|not.(applicable|specified|available)|"
    r"serial|o\.?e\.?m|n/?a$|123456|[0.xX-]*$|(?P<one>.)(?P=one)*$)",
    re.I,
)


def machine_serial(places: Iterable[Path] = PLACES) -> str:
    """The serial number that the machine's maker gave it, in the letters of a thing's name.

    Returns:
        Empty where it has none that can be read, or one that many machines have.
    """
    for place in places:
        try:
            found = place.read_bytes()[:256].decode("ascii", "ignore").strip("\0 \n\t")
        except OSError:
            continue
        if not NONE.match(found):
            return re.sub("[^0-9A-Za-z:_-]", "-", found)[:MAX_LETTERS]
    return ""
