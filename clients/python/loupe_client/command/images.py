"""`ls`, `get`, `rm`, `watch`, `compare`: what concerns single images."""

import itertools
import sys
from pathlib import Path
from typing import Annotated

import typer

from loupe_client import Event, errors
from loupe_client.command import exits
from loupe_client.command.compare import page_of
from loupe_client.command.context import Columns, JsonOption, ServerOption, client_of, once, print_json, show
from loupe_client.command.terminal import shown
from loupe_client.models import Image
from loupe_client.pictures import NOT_IN_BROWSERS

Ids = Annotated[list[int], typer.Argument(metavar="ID…", help="The ids that `loupe ls` shows.")]


def register(app: typer.Typer) -> None:
    app.command("ls")(list_images)
    app.command("get")(get)
    app.command("rm")(remove)
    app.command("watch")(watch)
    app.command("compare")(compare)


def list_images(
    status: Annotated[str | None, typer.Option(help="pending, processing, completed or failed.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="The most images to list, the newest first.")
    ] = 30,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List your images, the newest first."""
    with client_of(server) as client:
        found = client.images.list(status=status, per_page=min(limit, 100))
        images = list(itertools.islice(found, limit))
    columns: Columns = {
        "id": lambda each: each.id,
        "status": status_of,
        "file": lambda each: each.original_filename,
        "original": lambda each: each.original_dimensions,
        "result": lambda each: each.upscaled_dimensions,
        "size": lambda each: each.upscaled_size_human,
        "uploaded": lambda each: f"{each.created_at:%Y-%m-%d %H:%M}",
    }
    show(images, columns, as_json=as_json)


def status_of(image: Image) -> str:
    if image.status == "processing":
        return f"{image.progress} %"
    return f"failed: {image.error.code}" if image.error else image.status


def get(
    ids: Ids,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A folder, or a file for one result.")
    ] = Path(),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> int:
    """Download results. An unfinished image is waited for."""
    if len(ids) > 1 and not output.is_dir():
        raise errors.InvalidInput(f"{output} is no folder, and there are several results.")
    is_well = True
    with client_of(server) as client:
        for image_id in ids:
            try:
                image = client.images.wait(image_id)
                name = Path(client.images.link(image_id).filename).name or f"image-{image_id}"
                target = output / name if output.is_dir() else output
                if is_free := overwrite or not target.exists():
                    client.images.download(image, target)
            except (errors.NotFound, errors.ImageFailed) as error:
                is_well = False
                report(image_id, "failed", str(error), as_json=as_json)
                continue
            is_well &= is_free
            message = str(target) if is_free else f"{target} exists; --overwrite replaces it"
            report(image_id, "done" if is_free else "failed", message, as_json=as_json)
    return exits.DONE if is_well else exits.SOME_FAILED


def remove(ids: Ids, server: ServerOption = None, as_json: JsonOption = False) -> int:
    """Delete images with their files on the server. Unfinished ones are cancelled."""
    is_well = True
    with client_of(server) as client:
        for image_id in ids:
            try:
                client.images.delete(image_id)
            except errors.NotFound as error:
                is_well = False
                report(image_id, "failed", str(error), as_json=as_json)
            else:
                report(image_id, "deleted", "", as_json=as_json)
    return exits.DONE if is_well else exits.SOME_FAILED


def report(image_id: int, event: str, message: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"event": event, "image_id": image_id, "message": message})
    else:
        print(f"{image_id} {event}{': ' if message else ''}{shown(message)}", flush=True)


def watch(
    image_id: Annotated[
        int | None, typer.Argument(metavar="[ID]", help="Only this image, until it ends.")
    ] = None,
    types: Annotated[str | None, typer.Option(help="Only these types: image.completed,image.failed")] = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happens to your images and batches, until Ctrl-C."""
    with client_of(server) as client:
        if image_id is not None:
            client.images.wait_for_end(image_id, on_change=lambda image: show_image(image, as_json=as_json))
            return
        chosen = types.split(",") if types else None
        where = f"Following what happens at {client.server.url}. Ctrl-C ends it."
        for event in client.events.follow(types=chosen, on_open=once(where)):
            show_event(event, as_json=as_json)


def show_image(image: Image, *, as_json: bool) -> None:
    if as_json:
        print_json(image)
    else:
        print(f"{image.id} {shown(image.original_filename)}  {status_of(image)}", flush=True)


def show_event(event: Event, *, as_json: bool) -> None:
    if as_json:
        print_json({"type": event.type, "id": event.id, "data": event.data})
        return
    name = event.data.get("original_filename") or event.data.get("name") or ""
    progress = f"  {event.data.get('progress')} %" if event.type.endswith(".progress") else ""
    print(f"{event.type:18} {event.data.get('id', '')} {shown(name)}{progress}", flush=True)


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", exists=True, dir_okay=False)],
    after: Annotated[Path, typer.Argument(metavar="AFTER", exists=True, dir_okay=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page; by default compare.html beside AFTER.")
    ] = None,
) -> None:
    """Write one HTML page that shows two pictures with a slider between them."""
    page = output or after.with_name("compare.html")
    page.write_text(page_of(before, after), encoding="utf-8")
    print(shown(page))
    for picture in (each for each in (before, after) if each.suffix.lower() in NOT_IN_BROWSERS):
        print(f"loupe: many browsers do not show {shown(picture)}", file=sys.stderr)
