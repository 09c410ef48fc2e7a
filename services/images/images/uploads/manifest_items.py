"""Checks the items of a manifest, as far as that is possible before their files are there."""

import unicodedata
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from common import errors
from images.upload_tables import DirectUpload
from images.uploads import file_names
from images.uploads.original import UploadOptions
from images.uploads.single import parse_options
from loupe.contract import LONGEST_REFERENCE, MOST_MANIFEST_ITEMS
from loupe.images.v1 import images_pb2 as pb

Fields = dict[str, list[str]]
SIZES = ("scale_factor", "target_width", "target_height")
WHOLE_ITEM = ""
"""The key of a problem that concerns an item as a whole."""
MOST_FIELDS = 100
"""The most fields at fault that are named."""


@dataclass(slots=True)
class Item:
    """An item after its check."""

    position: int
    url: str
    upload_id: uuid.UUID | None
    reference: str
    options: UploadOptions = field(default_factory=UploadOptions)
    filename: str = ""
    """Its name until the file is there."""
    fields: Fields = field(default_factory=Fields)
    """The faults of the item, by field."""

    @property
    def problem(self) -> str:
        """The first text about the item. Empty if it is accepted."""
        return next((text for texts in self.fields.values() for text in texts), "")


class Check:
    """The check of one manifest. `shared` are the problems of what all items share."""

    def __init__(
        self,
        request: pb.CreateManifestRequest,
        model_names: Collection[str],
        uploads: Mapping[uuid.UUID, DirectUpload],
    ) -> None:
        self._request = request
        self._model_names = model_names
        self._uploads = uploads
        self._parsed = dict[bytes, UploadOptions | errors.InvalidArgument]()
        self._taken = set[uuid.UUID]()
        self.shared: Fields = {}
        self.options = UploadOptions()
        try:
            self.options = parse_options(request.options, model_names)
        except errors.InvalidArgument as error:
            self.shared = dict(error.fields)
        if not 1 <= len(request.items) <= MOST_MANIFEST_ITEMS:
            self.shared["items"] = [f"The items must be 1 to {MOST_MANIFEST_ITEMS}."]
        self.items = [self._item(*each) for each in enumerate(request.items[:MOST_MANIFEST_ITEMS])]

    def refuse(self) -> None:
        """Raise `InvalidArgument` if what all items share is invalid, or an item that may not be skipped."""
        fields = dict(self.shared)
        if not self._request.skips_refused_items:
            named = {
                f"items.{item.position}.{name}".rstrip("."): texts
                for item in self.items
                for name, texts in item.fields.items()
            }
            fields |= dict(list(named.items())[:MOST_FIELDS])
            if len(named) > MOST_FIELDS:
                fields["items"] = [f"{len(named) - MOST_FIELDS:,} more fields of items are invalid."]
        if fields:
            raise errors.invalid(fields)

    def _item(self, position: int, sent: pb.CreateManifestRequest.Item) -> Item:
        fields: Fields = {name: [text] for name, text in sorted(sent.problems.items())}
        item = Item(position, sent.image_url, None, sent.reference, fields=fields)
        if sent.image_url and sent.upload_id:
            fields["image_url"] = ["The image url may not be sent together with an upload id."]
        elif sent.upload_id:
            self._add_upload(item, sent.upload_id)
        elif not sent.image_url and not fields.keys() & {"image_url", "upload_id", WHOLE_ITEM}:
            fields["image_url"] = ["The image url field is required."]
        else:
            item.filename = name_of(sent.image_url)
        if problem := _reference_problem(sent.reference):
            fields["reference"] = [problem]
        try:
            item.options = self._options(sent.options)
        except errors.InvalidArgument as error:
            fields |= {name: list(texts) for name, texts in error.fields.items() if name not in self.shared}
        scale = item.options.sizes.scale_factor
        if scale and self._request.max_scale and scale > self._request.max_scale:
            fields["scale_factor"] = [f"The scale factor may not be greater than {self._request.max_scale}."]
        return item

    def _add_upload(self, item: Item, upload_id: str) -> None:
        try:
            item.upload_id = uuid.UUID(upload_id)
        except ValueError:
            item.fields["upload_id"] = ["There is no upload with this id."]
            return
        upload = self._uploads.get(item.upload_id)
        if upload is None:
            item.fields["upload_id"] = [
                "There is no upload with this id. It may have expired, or be used already."
            ]
        elif item.upload_id in self._taken:
            item.fields["upload_id"] = ["Another item has the same upload id."]
        else:
            self._taken.add(item.upload_id)
            item.filename = upload.filename

    def _options(self, own: pb.UpscaleRequest.Options) -> UploadOptions:
        """Return the options of an item: its own, and those of all items for the rest.

        Raise `InvalidArgument` with every field at fault.
        """
        if not own.ByteSize():
            return self.options
        merged = pb.UpscaleRequest.Options()
        merged.CopyFrom(self._request.options)
        if any(own.HasField(name) for name in SIZES):
            for name in SIZES:
                merged.ClearField(name)
        merged.MergeFrom(own)
        key = merged.SerializeToString(deterministic=True)
        if key not in self._parsed:
            try:
                self._parsed[key] = parse_options(merged, self._model_names)
            except errors.InvalidArgument as error:
                self._parsed[key] = error
        found = self._parsed[key]
        if isinstance(found, errors.InvalidArgument):
            raise found
        return found


def upload_ids(items: Sequence[pb.CreateManifestRequest.Item]) -> list[uuid.UUID]:
    """Return the ids of direct uploads that the items name. Leave out texts that are no ids."""
    found: list[uuid.UUID] = []
    for item in items:
        try:
            found.append(uuid.UUID(item.upload_id))
        except ValueError:
            continue
    return found


def name_of(url: str) -> str:
    """Return the name of the file as the path of its link has it."""
    try:
        return file_names.clean(unquote(urlsplit(url).path))
    except ValueError:  # only `urlsplit` takes such a host for wrong
        return file_names.clean("")


def _reference_problem(reference: str) -> str:
    if len(reference) > LONGEST_REFERENCE:
        return f"The reference may not be greater than {LONGEST_REFERENCE} characters."
    if any(unicodedata.category(one) in ("Cc", "Zl", "Zp") for one in reference):
        return "The reference may not have control characters."
    return ""
