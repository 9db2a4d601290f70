"""Teach the device: take views of a thing, name it, and look after what was taught."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from flask import Flask, Response, jsonify, send_file

from catalog.core.box import Box
from catalog.core.errors import ContentError
from catalog.core.photos import encode_jpeg
from edge.taught.collecting import PICTURE_SIDE, WANTED, Progress, View
from edge.taught.export import export_file
from edge.taught.store import TaughtPhoto
from edge.taught.taught import Taught, TaughtItem
from edge.taught.wish import LONGEST_SKU, Wish
from edge.web.documents import Document, item_document
from edge.web.interfaces import ServedAppliance
from edge.web.problems import ProblemError
from edge.web.staff.access import STAFF_PATH
from edge.web.staff.body import body
from edge.web.staff.sentences import sentence_of
from edge.words import Words

LARGEST_NUMBER = 2**31 - 1
CHANGED = ("sku", "title", "price", "location")  # what can be changed of an item later


class Teach:
    """The routes of teaching.

    Args:
        appliance: The appliance.
    """

    def __init__(self, appliance: ServedAppliance) -> None:
        self._appliance = appliance
        self._exporting, self._saving = threading.Lock(), threading.Lock()

    def add_to(self, app: Flask) -> None:
        """Serve all routes."""
        path = f"{STAFF_PATH}teaching"
        app.add_url_rule(path, view_func=self.teaching)
        app.add_url_rule(path, view_func=self.begin_teaching, methods=["POST"])
        app.add_url_rule(path, view_func=self.end_teaching, methods=["DELETE"])
        app.add_url_rule(f"{path}/more", view_func=self.take_more_views, methods=["POST"])
        view = f"{path}/views/<int:view_id>"
        app.add_url_rule(view, view_func=self.view)
        app.add_url_rule(view, view_func=self.remove_view, methods=["DELETE"])
        path = f"{STAFF_PATH}taught"
        app.add_url_rule(path, view_func=self.taught)
        app.add_url_rule(path, view_func=self.teach, methods=["POST"])
        item = f"{path}/<path:sku>"
        app.add_url_rule(item, view_func=self.change_item, methods=["PUT"])
        app.add_url_rule(item, view_func=self.remove_item, methods=["DELETE"])
        app.add_url_rule(f"{STAFF_PATH}export.zip", view_func=self.export)
        photo = f"{STAFF_PATH}photos/<int:photo_id>"
        app.add_url_rule(photo, view_func=self.own_photo)
        app.add_url_rule(photo, view_func=self.remove_photo, methods=["DELETE"])

    def teaching(self) -> Response:
        """How far the views are."""
        return _answer(self._taught().collector.progress())

    def begin_teaching(self) -> Response:
        """Begin to take views, anew."""
        collector = self._taught().collector
        _ = self._appliance.catalogue  # where none is open, that is the answer
        collector.begin()
        self._appliance.look_again()
        return _answer(collector.progress())

    def take_more_views(self) -> Response:
        """Take further views than are wanted."""
        collector = self._taught().collector
        if not collector.take_more():
            raise ProblemError(409, Words("Nothing is taught now; begin first."))
        return _answer(collector.progress())

    def end_teaching(self) -> Response:
        """Stop taking views, and forget them."""
        self._taught().collector.end()
        return _answer(None)

    def view(self, view_id: int) -> Response:
        """The picture of a view."""
        progress = self._taught().collector.progress()
        for view in progress.views if progress is not None else ():
            if view.id == view_id:
                response = _jpeg(encode_jpeg(view.picture, PICTURE_SIDE))
                response.headers["Cache-Control"] = "no-store"  # a restart counts views anew
                return response
        raise ProblemError(404, "There is no such view any more.")

    def remove_view(self, view_id: int) -> Response:
        """Drop a view; the thing that lies there may become another one."""
        collector = self._taught().collector
        if not collector.remove(view_id):
            raise ProblemError(404, "There is no such view any more.")
        return _answer(collector.progress())

    def taught(self) -> Response:
        """The items with photos of this device's own."""
        return jsonify({"items": [_taught_document(item) for item in self._taught().items()]})

    def teach(self) -> Response:
        """Save the views that were taken, or those that the request names, as photos of an item."""
        fields, taught = body(), self._taught()
        named = _named_views(fields.pop("views", None))
        is_another = _is_another(fields)
        wish = _wish(fields)
        try:
            with self._saving:  # a second request finds the lesson ended
                views = _views(taught.collector.progress(), named)
                if views and not is_another:
                    self._check_name(wish, wish.sku.strip())
                item = taught.save(wish, views)
        except ContentError as error:
            raise ProblemError(400, sentence_of(error)) from error
        self._appliance.look_again()
        return jsonify({"item": item_document(item)})

    def change_item(self, sku: str) -> Response:
        """Change the title, price, place and number of an item that the staff made."""
        fields, taught = body(), self._taught()
        is_another = _is_another(fields)
        wish = _wish(fields, CHANGED)
        try:
            with self._saving:
                if not is_another:
                    self._check_name(wish, sku)
                item = taught.change(sku, wish)
        except ContentError as error:
            raise ProblemError(400, sentence_of(error)) from error
        if item is None:
            raise ProblemError(
                404,
                Words("No taught item has the number {sku}.", sku=sku[:LONGEST_SKU]),
            )
        self._appliance.look_again()
        return self.taught()

    def remove_item(self, sku: str) -> Response:
        """Remove a taught item, or the own photos of an item of the catalogue."""
        if not self._taught().remove_item(sku):
            raise ProblemError(404, Words("Nothing was taught of {sku}.", sku=sku[:LONGEST_SKU]))
        self._appliance.look_again()
        return self.taught()

    def own_photo(self, photo_id: int) -> Response:
        """A photo of this device's own."""
        store = self._taught().store
        jpeg = store.jpeg(photo_id) if photo_id <= LARGEST_NUMBER else None
        if jpeg is None:
            raise ProblemError(404, "There is no such photo any more.")
        return _jpeg(jpeg)

    def remove_photo(self, photo_id: int) -> Response:
        """Remove a photo of this device's own."""
        if photo_id > LARGEST_NUMBER or not self._taught().remove_photo(photo_id):
            raise ProblemError(404, "There is no such photo any more.")
        self._appliance.look_again()
        return self.taught()

    def export(self) -> Response:
        """What was taught, as a ZIP file with the table and photos that `catalog build` takes."""
        store = self._taught().store
        if not self._exporting.acquire(blocking=False):
            raise ProblemError(
                503, Words("Another export is being written; try again in a minute.")
            )
        try:
            file = export_file(store)
        finally:
            self._exporting.release()
        return send_file(file, "application/zip", as_attachment=True, download_name="taught.zip")

    def _check_name(self, wish: Wish, of: str) -> None:
        """Check that no item has the name that is wished, unless that of the sku `of` has it.

        Raises:
            ProblemError: 409, one has it.
        """
        known = self._taught().of_same_name(wish, of)
        if known is not None:
            raise ProblemError(
                409,
                Words(
                    "There is already “{title}”, with the number {sku}.",
                    title=known.title,
                    sku=known.sku,
                ),
            )

    def _taught(self) -> Taught:
        taught = self._appliance.taught
        if taught is None:
            raise ProblemError(404, "This device cannot keep what it is taught; its log says why.")
        return taught


def _answer(progress: Progress | None) -> Response:
    shown = progress or Progress()
    width, height = shown.frame_size
    return jsonify(
        {
            "teaching": progress is not None,
            "stage": shown.stage,
            "wanted": WANTED,
            "views": [{"id": view.id, "box": _box_document(view.box)} for view in shown.views],
            "box": _box_document(shown.box) if shown.box is not None else None,
            "frame": {"width": width, "height": height},
            "code": shown.code,
            "gtin": shown.gtin,
            "seen_already": shown.seen_already,
            "takes_more": len(shown.views) < shown.most,
        }
    )


def _box_document(box: Box) -> Document:
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}


def _taught_document(taught: TaughtItem) -> Document:
    return {
        "item": item_document(taught.item),
        "photos": [_photo_document(photo) for photo in taught.photos],
        "is_new": taught.is_new,
        "rests": taught.rests,
    }


def _photo_document(photo: TaughtPhoto) -> Document:
    return {"id": photo.id, "kind": photo.kind}


def _named_views(given: object) -> Collection[int] | None:
    """The views that a request names; None where it means all."""
    if given is None:
        return None
    if not isinstance(given, list) or not all(type(view) is int for view in given):
        raise ProblemError(400, "Send views as a list of their ids.")
    return frozenset(given)


def _views(progress: Progress | None, named: Collection[int] | None) -> list[View]:
    """The views to save.

    Raises:
        ProblemError: 409, a named one is gone.
    """
    views = progress.views if progress is not None else ()
    if named is None:
        return list(views)
    found = [view for view in views if view.id in named]
    if len(found) < len(named):
        raise ProblemError(
            409, Words("A view is gone that was to be saved; look at the views again.")
        )
    return found


def _is_another(fields: dict[str, object]) -> bool:
    """Whether a request says that another item may have the same name."""
    given = fields.pop("another", False)
    if not isinstance(given, bool):
        raise ProblemError(400, "Send another as true or false.")
    return given


def _wish(fields: dict[str, object], names: Sequence[str] = (*CHANGED, "gtin")) -> Wish:
    texts = {name: fields.get(name, "") for name in names}
    if set(fields) - set(texts) or not all(isinstance(text, str) for text in texts.values()):
        raise ProblemError(400, f"Send texts, and no others than {', '.join(texts)}.")
    known = {name: str(text) for name, text in texts.items()}
    gtin = known.pop("gtin", "").strip()
    return Wish(**known, attributes={"gtin": gtin} if gtin else {})


def _jpeg(data: bytes) -> Response:
    response = Response(data, content_type="image/jpeg")
    response.headers["Cache-Control"] = "private, max-age=3600, immutable"
    return response
