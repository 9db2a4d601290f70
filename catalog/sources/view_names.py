"""Names of folders with views of one thing, such as ``front`` and ``2024-05-01``."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from datetime import date

WORDS = frozenset(
    """
    front back rear side left right top bottom above below inside outside view views angle angles
    detail details close closeup closeups up ups zoom macro cropped main hero lifestyle packaging
    session sessions shot shots series burst bursts raw edited original originals old new more extra
    photo photos picture pictures image images pic pics img imgs thumb thumbs thumbnail thumbnails
    gallery hires lowres dcim jpg jpeg png heic
    vorne hinten vorderseite rückseite seite seiten links rechts oben unten innen aussen bild
    bilder foto fotos ansicht ansichten nahaufnahme nahaufnahmen aufnahme aufnahmen neu alt
    avant arrière devant derrière côté gauche droite dessus dessous vue vues
    frente delante detrás atrás lado izquierda derecha arriba abajo imagen imágenes vista vistas
    正面 背面 侧面 側面 左面 右面 顶部 底部 细节 照片 图片 写真
    """.split()
)
DATE = re.compile(  # 2024-05, 2024-05-01, 20240501, 2024-05-01_12-30; 01.05.2024
    r"((?:19|20)\d\d)(?:[-_. ](\d\d?)(?:[-_. ](\d\d?))?|(\d\d)(\d\d))(?:[ T_-][\d.:_-]+)?"
    r"|(\d\d?)\.(\d\d?)\.((?:19|20)\d\d)"
)
CAMERA_FOLDER = re.compile(  # 100CANON, 101MSDCF
    r"1\d\d(?:APPLE|CANON|EOS\w\w|NIKON|NC[DZ]\w\w|MSDCF|OLYMP|_PANA|_FUJI|MEDIA|GOPRO|ANDRO|PENTX"
    r"|RICOH|CASIO|LEICA|SIGMA)"
)
NUMBER_OR_LETTER = re.compile(r"\d{1,2}|[A-Za-z]|(?:19|20)\d\d")


def is_view_name(name: str) -> bool:
    """Return whether a folder of this name holds views of the thing above it.

    It is made of `WORDS` with or without numbers, is a date, or a name that cameras give. No name
    is one, too: the folder is called like the thing.
    """
    if not name:
        return True
    if _is_date(name) or CAMERA_FOLDER.fullmatch(name):
        return True
    plain = unicodedata.normalize("NFC", name).casefold().replace("ß", "ss")
    words = [word for word in re.split(r"[\W_\d]+", plain) if word]
    return bool(words) and all(word in WORDS for word in words)


def is_vague_name(name: str) -> bool:
    """Return whether a name is a short number, a letter or a year: a thing's or a view's."""
    return bool(NUMBER_OR_LETTER.fullmatch(name))


def _is_date(name: str) -> bool:
    found = DATE.fullmatch(name)
    if found is None:
        return False
    year = found[1] or found[8]
    month = found[2] or found[4] or found[7]
    day = found[3] or found[5] or found[6] or "1"
    with suppress(ValueError):
        date(int(year), int(month), int(day))
        return True
    return False
