"""An uploaded file that passed the checks, with its options, and the row that it becomes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from imagefile.formats import extension
from images.domain import expiry, work
from images.domain.retries import Place
from images.formats.header import Header
from images.tables import Image
from images.uploads import sequence_plan, sizing
from images.uploads.output import Output


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """The options of an upload after they were checked."""

    sizes: sizing.Options = field(default_factory=sizing.Options)
    output: Output = field(default_factory=Output)
    webhook_url: str | None = None
    """The address that gets the end of the image or the batch."""


@dataclass(frozen=True, slots=True)
class Original:
    """A file that passed the checks and can be upscaled."""

    filename: str
    bytes: int
    header: Header
    stem: str = field(default_factory=lambda: secrets.token_hex(16))
    """The random part of the file's object key. The key of its result has the same."""

    @property
    def path(self) -> str:
        """The key of the object."""
        return f"images/originals/{self.stem}.{extension(self.header.format)}"

    def result_size(self, options: UploadOptions, limits: sizing.Limits) -> sizing.Size:
        """Return the size of the result. Raise `InvalidArgument` with the option at fault."""
        return options.output.result_size(self.header, options.sizes, limits)

    @property
    def size(self) -> sizing.Size:
        return self.header.width, self.header.height

    def check_scale(self, size: sizing.Size, options: UploadOptions, max_scale: int) -> None:
        """Raise `InvalidArgument` if the plan does not allow a result that large."""
        sizing.check_scale(self.size, size, options.sizes, max_scale)

    def to_row(
        self,
        user_id: int,
        options: UploadOptions,
        size: sizing.Size,
        place: Place,
        limits: sizing.Limits,
        *,
        api_request: bool,
    ) -> Image:
        """Return the new row of this image."""
        result_format, sizes = options.output.format_for(self.header), options.sizes
        plan = sequence_plan.plan(self.header, options.output, size, limits)
        row = Image(
            user_id=user_id,
            original_filename=self.filename,
            original_path=self.path,
            original_bytes=self.bytes,
            original_width=self.header.width,
            original_height=self.header.height,
            upscaled_path=f"images/upscaled/{self.stem}.{extension(result_format)}",
            upscaled_format=result_format,
            upscaled_width=size[0],
            upscaled_height=size[1],
            scale_factor=sizes.scale_factor,
            target_width=sizes.target_width,
            target_height=sizes.target_height,
            pictures=len(plan.sizes) or None,
            warnings=list(plan.warnings) or None,
            api_request=api_request,
            is_priority=place.is_priority,
            reservation_id=place.reservation_id,
            reserved_until=place.reserved_until,
        )
        self._measure_work(row, options.output, size, plan.sizes)
        options.output.write_to(row)
        row.expires_in = expiry.shorter(row.expires_in, place.retention_seconds)
        return row

    def _measure_work(
        self, row: Image, output: Output, size: sizing.Size, pictures: Sequence[sizing.Size]
    ) -> None:
        """Write to the row how much work its networks have, for its user's turn and for estimates.

        `pictures` are the sizes of its pages or frames. Empty: all that are read have the size of the first.
        """
        scale = work.network_scale(self.size, size)
        each = pictures or (self.size,) * output.frames_for(self.header)
        row.work_megapixels = sum(work.work_megapixels(one, scale) for one in each)
        row.work_kind = output.work_kind(scale, is_worn=self.header.is_worn)
