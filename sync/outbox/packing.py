"""Pack what an event says for the disk: fewer bytes wear a memory card less.

A packed payload is a zero byte and a zlib stream whose dictionary is what most events have in
common. zlib's checksum also tells damage that would leave a document valid.
"""

from __future__ import annotations

import zlib

MARK = b"\0"  # a payload that itself begins so is packed even where that makes it longer
DAMAGED = b"\xff"  # is no payload: no UTF-8 text has this byte
MOST = 1 << 18  # bytes of a payload; damage must not unpack to more
# It must stay as it is: what was packed with it cannot be read with another. What is most likely
# stands last.
DICTIONARY = (
    b'"kind":"status","what":"started","message":"","details":{"version":"'
    b'"what":"stopped","message":"","details":{}}"what":"camera_online""what":"camera_offline"'
    b'"what":"catalogue_activated","message":"","details":{"bundle":"","former":"'
    b'"what":"model_loaded","message":"","details":{"network":"embedded","engine":"openvino",'
    b'"bundle":""what":"dropped","message":"events that will never be sent: '
    b'{"version":1,"kind":"heartbeat","id":"01a","device":"-4","boot":"-4","at":"20'
    b'Z","clock_trusted":false,"uptime_s":.,"rss_bytes":1,"disk_free_bytes":,"temperature_c":,'
    b'"outbox_length":,"outbox_oldest_s":,"camera":"online","bundle":"20","sightings":'
    b'"verdict":"unknown","verdict":"one_of","verdict":"perhaps","guesses":[{"sku":"'
    b'"code":"40"unknown_gtin":""text":""thumbnail":"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDA'
    b'{"version":1,"kind":"sighting","id":"01a-7-8-9-a-b","device":"-4-8-9-a-b","boot":"-4-8-9-a-b",'
    b'"at":"202-01-02T00:00:00.000Z","clock_trusted":true,"verdict":"match",'
    b'"item":{"sku":"","title":"","similarity":0.9,"sure":0.99},'
    b'"others":[{"sku":"","title":"","similarity":0.,"sure":0.0}],'
    b'"things":[{"box":{"left":0.,"top":0.,"width":0.,"height":0.},"verdict":"match","sku":""}],'
    b'"verdict":"nothing","others":[],"things":[],"bundle":"202Z-","timings_ms":{"capture":0.0,'
    b'"look":0.0,"embed":0.0,"search":0.0,"verify":0.0,"code":0.0,"text":0.0,"show":0.0}}'
)


def packed(payload: bytes) -> bytes:
    """Pack a payload; one that would not get shorter stays as it is, unless it has the mark."""
    compressor = zlib.compressobj(9, zdict=DICTIONARY)
    short = MARK + compressor.compress(payload) + compressor.flush()
    return payload if len(payload) <= len(short) and not payload.startswith(MARK) else short


def unpacked(stored: object) -> object:
    """Unpack what is stored: `DAMAGED` where it is, and as it is where it is not packed."""
    if not isinstance(stored, bytes) or not stored.startswith(MARK):
        return stored
    decompressor = zlib.decompressobj(zdict=DICTIONARY)
    try:
        payload = decompressor.decompress(stored[1:], MOST)
    except zlib.error:
        return DAMAGED
    return payload if decompressor.eof and not decompressor.unused_data else DAMAGED
