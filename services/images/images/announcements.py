"""Reads what a worker announces about its models and its speed, and refuses what no worker can mean.

Workers decode the files of strangers, and estimates and turns of all users are computed from these numbers.
"""

from collections.abc import Iterable

from common import errors
from images.domain.models import Announcement, ModelFacts
from images.domain.work import Speeds
from loupe.images.v1 import images_pb2 as pb

SLOWEST, FASTEST = 1e-9, 1e6
"""Megapixels per second."""
MOST_SECONDS = 86_400.0
MOST_PLACES = 10_000
MOST_ENTRIES = 200
"""Models, networks of a model, or kinds of work."""
LONGEST_TEXT = 1000


def check(request: pb.AnnounceModelsRequest) -> None:
    """Raise `InvalidArgument` with the field at fault."""
    speeds = [speed.megapixels_per_second for speed in request.speeds]
    for speed in filter(None, (*speeds, request.megapixels_per_second)):
        if not SLOWEST <= speed <= FASTEST:
            _refuse("megapixels_per_second", f"must be between {SLOWEST} and {FASTEST}")
    if not 0 <= request.seconds_per_job <= MOST_SECONDS:
        _refuse("seconds_per_job", f"must be between 0 and {MOST_SECONDS}")
    if not 0 <= request.places <= MOST_PLACES:
        _refuse("places", f"must be between 0 and {MOST_PLACES}")
    for entries in (request.models, request.speeds, *(model.nets for model in request.models)):
        if len(entries) > MOST_ENTRIES:
            _refuse("models", f"must have at most {MOST_ENTRIES} entries")
    if not all(map(_is_text, _texts(request))):
        _refuse("models", f"must have texts of at most {LONGEST_TEXT} printable characters")


def announcement_of(offer: pb.AnnounceModelsRequest.Offer) -> Announcement:
    facts = ModelFacts(
        offer.description,
        offer.best_for,
        offer.network,
        offer.source,
        offer.licence,
        list(offer.scales),
        offer.title,
        offer.commercial_use if offer.HasField("commercial_use") else None,
    )
    return Announcement(offer.name, list(offer.nets), facts if offer.description else None)


def speeds_of(request: pb.AnnounceModelsRequest) -> Speeds:
    return Speeds(
        {
            speed.kind: speed.megapixels_per_second
            for speed in request.speeds
            if speed.megapixels_per_second > 0
        },
        request.megapixels_per_second or None,
        request.seconds_per_job,
    )


def _texts(request: pb.AnnounceModelsRequest) -> Iterable[str]:
    yield request.worker
    for speed in request.speeds:
        yield speed.kind
    for model in request.models:
        yield from (model.name, model.description, model.best_for, model.network, model.source, model.licence)
        yield from (model.title, *model.nets)


def _is_text(text: str) -> bool:
    return len(text) <= LONGEST_TEXT and (text.isprintable() or text.replace("\n", "").isprintable())


def _refuse(field: str, rule: str) -> None:
    raise errors.invalid({field: [f"The {field} {rule}."]})
