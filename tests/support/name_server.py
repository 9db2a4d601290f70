"""A name server on loopback that knows no name and prints each that it is asked for."""

from __future__ import annotations

import socket

NO_SUCH_NAME = b"\x81\x83"  # the flags of its answer; RFC 1035, section 4.1.1


def name_in(question: bytes) -> str:
    """The name in a DNS message of one question; it begins behind a header of 12 bytes."""
    labels, place = [], 12
    while length := question[place]:
        labels.append(question[place + 1 : place + 1 + length].decode("ascii", "replace"))
        place += 1 + length
    return ".".join(labels)


def main() -> None:
    """Answer until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        print("listening", flush=True)
        while True:
            question, sender = server.recvfrom(4096)
            print(name_in(question), flush=True)
            server.sendto(question[:2] + NO_SUCH_NAME + question[4:], sender)


if __name__ == "__main__":
    main()
