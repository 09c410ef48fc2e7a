"""The options of `loupe upscale`, as the command line takes them."""

from typing import Annotated

import typer

Sources = Annotated[list[str] | None, typer.Argument(metavar="FILE|FOLDER|URL|-…", show_default=False)]
Scale = Annotated[int | None, typer.Option(min=2, max=4, help="2, 3 or 4; by default 2.")]
Size = Annotated[str | None, typer.Option(metavar="WxH", help="The exact size: 3840x2160, 3840x or x2160.")]
Model = Annotated[str | None, typer.Option(help="A model that `loupe models` lists; by default auto.")]
Precision = Annotated[str | None, typer.Option(help="exact for single precision; by default auto.")]
Denoise = Annotated[int | None, typer.Option(min=0, max=3, help="How much noise clean and art take away.")]
Strength = Annotated[
    float | None, typer.Option(min=0, max=1, help="How much of enhance; the rest is faithful.")
]
Format = Annotated[str | None, typer.Option("--format", help="The format of the results, such as png.")]
Quality = Annotated[int | None, typer.Option(min=1, max=100, help="For JPEG, WebP, AVIF and JPEG XL.")]
Fit = Annotated[
    str | None, typer.Option(help="stretch, cover or contain: how another aspect ratio fills a size.")
]
Metadata = Annotated[str | None, typer.Option(help="keep or strip EXIF data; by default strip.")]
Dpi = Annotated[int | None, typer.Option(min=1, max=65535, help="The resolution for print.")]
ExpiresIn = Annotated[
    int | None, typer.Option(min=60, help="Seconds from an image's end until the server deletes it.")
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="PLACE", help="A folder for the results, or a file for one result."
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Enter the folders in folders.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the last run whose results are in --output.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done.")]
RetryRefused = Annotated[
    bool, typer.Option("--retry-refused", help="Send files again that an earlier run saw refused.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that are no results of this command.")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=40, help="Files under way at a time.")]
