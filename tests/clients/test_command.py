"""The commands beside `upscale`: what they print for people and for programs, and their exit codes."""

import asyncio
import base64
import json
import re
import signal
import stat
from pathlib import Path

from loupe_client import AsyncLoupe, webhooks
from loupe_local.stack import Stack
from tests.clients.conftest import SIZE, size_of
from tests.clients.shell import LOUPE, Shell, ended
from tests.gateway.harness import PASSWORD, People, Person
from tests.release.test_version import VERSION

NOBODY = "http://127.0.0.1:1"


async def test_images_are_listed_fetched_and_deleted(
    shell: Shell, own: AsyncLoupe, photo_file: Path, tmp_path: Path
) -> None:
    image_id = (await own.images.submit(photo_file)).id
    (tmp_path / "results").mkdir()

    got = await shell.loupe("get", str(image_id), "-o", "results")
    again = await shell.loupe("get", str(image_id), "-o", "results")
    listed = await shell.loupe("ls")
    as_json = await shell.loupe("ls", "--status", "completed", "--json")
    removed = await shell.loupe("rm", str(image_id))
    gone = await shell.loupe("rm", str(image_id))

    assert (got.code, again.code) == (0, 1)
    assert size_of(tmp_path / "results" / "photo.jpg") == (SIZE[0] * 2, SIZE[1] * 2)
    assert listed.out.split("\t")[:3] == [str(image_id), "completed", "photo.jpg"]
    assert [line["id"] for line in as_json.lines] == [image_id]
    assert (removed.code, removed.out) == (0, f"{image_id} deleted\n")
    assert (gone.code, gone.out) == (1, f"{image_id} failed: Image not found.\n")


async def test_watch_shows_one_image_until_its_end_and_all_events_until_an_interrupt(
    shell: Shell, own: AsyncLoupe, photo_file: Path
) -> None:
    process = await shell.begin("watch", "--types", "image.completed", "--json")
    assert process.stderr
    assert (await process.stderr.readline()).startswith(b"Following")
    image_id = (await own.images.submit(photo_file)).id
    one = await shell.loupe("watch", str(image_id))
    assert process.stdout
    line = json.loads(await process.stdout.readline())
    process.send_signal(signal.SIGINT)
    all_events = await ended(process)

    assert one.out.splitlines()[-1] == f"{image_id} photo.jpg  completed"
    assert (line["type"], line["data"]["id"]) == ("image.completed", image_id)
    assert (all_events.code, all_events.err) == (130, "")


async def test_usage_models_and_tokens_are_shown(shell: Shell) -> None:
    usage = await shell.loupe("usage")
    months = await shell.loupe("usage", "--history", "month", "--json")
    models = await shell.loupe("models", "--json")
    created = await shell.loupe("tokens", "create", "scanner", "--ability", "images:read", "--json")
    listed = await shell.loupe("tokens", "list")
    revoked = await shell.loupe("tokens", "revoke", str(created.lines[0]["token"]["id"]))

    assert usage.out.startswith("0 images used this month, of 250; 250 are left. The plan is professional.\n")
    assert len(months.lines) == 12
    assert "auto" in {line["name"] for line in models.lines}
    assert created.lines[0]["token"]["abilities"] == ["images:read"]
    assert "\tscanner\timages:read\t" in listed.out
    assert revoked.code == 0


async def test_a_login_stores_a_token_that_only_its_user_can_read(
    shell: Shell, stack: Stack, person: Person, tmp_path: Path
) -> None:
    alone = Shell(shell.folder, {"HOME": shell.variables["HOME"]})

    before = await alone.loupe("ls")
    wrong = await alone.loupe("login", "--server", stack.api, typed=f"{person.email}\nwrong\n")
    logged_in = await alone.loupe(
        "login", "--server", f"{stack.api}/api/", typed=f"{person.email}\n{PASSWORD}\n"
    )
    profile = tmp_path / "home" / ".config" / "loupe" / "profile.json"
    mode, token = stat.S_IMODE(profile.stat().st_mode), json.loads(profile.read_text())["token"]
    listed = await alone.loupe("ls")
    logged_out = await alone.loupe("logout")

    assert (before.code, wrong.code) == (3, 3)
    assert "loupe login" in before.err
    assert "credentials are incorrect" in wrong.err
    assert (logged_in.code, listed.code, logged_out.code) == (0, 0, 0)
    assert mode == 0o600
    assert token not in logged_in.out + logged_in.err
    assert not profile.exists()


async def test_a_login_takes_a_token_on_standard_input_and_checks_it(shell: Shell, stack: Stack) -> None:
    alone = Shell(shell.folder, {"HOME": shell.variables["HOME"]})
    arguments = ("login", "--server", stack.api, "--with-token")

    wrong = await alone.loupe(*arguments, typed="1|wrong\n")
    right = await alone.loupe(*arguments, typed=shell.variables["LOUPE_TOKEN"] + "\n")

    assert wrong.code == 3
    assert right.code == 0
    assert (await alone.loupe("usage")).code == 0


async def test_a_stored_token_is_sent_to_no_other_server(shell: Shell, stack: Stack) -> None:
    alone = Shell(shell.folder, {"HOME": shell.variables["HOME"]})
    await alone.loupe(
        "login", "--server", stack.api, "--with-token", typed=shell.variables["LOUPE_TOKEN"] + "\n"
    )

    other = await alone.loupe("ls", "--server", NOBODY)

    assert other.code == 3
    assert "Nobody is logged in" in other.err


async def test_the_stack_of_a_clone_is_found_from_any_folder_in_it(shell: Shell, stack: Stack) -> None:
    inner = shell.folder / "clone" / "docs"
    (shell.folder / "clone" / ".loupe").mkdir(parents=True)
    inner.mkdir()
    described = {"api": stack.api, "token": shell.variables["LOUPE_TOKEN"]}
    (shell.folder / "clone" / ".loupe" / "local.json").write_text(json.dumps(described))

    within = await Shell(inner, {"HOME": shell.variables["HOME"]}).loupe("usage")
    described["api"] = "https://loupe.example.com"
    (shell.folder / "clone" / ".loupe" / "local.json").write_text(json.dumps(described))
    elsewhere = await Shell(inner, {"HOME": shell.variables["HOME"]}).loupe("usage")

    assert within.code == 0
    assert elsewhere.code == 3, "a folder of a stranger must not send pictures to another machine"


async def test_exit_codes_tell_what_is_missing(
    shell: Shell, people: People, own: AsyncLoupe, photo_file: Path
) -> None:
    free = await people.new("free")
    starter = await people.new("starter")
    await people.operator.set_quota(starter.email, 1)

    unreachable = await shell.loupe("upscale", "photo.jpg", LOUPE_URL=NOBODY, LOUPE_TOKEN="1|x")
    revoked = await shell.loupe("upscale", "photo.jpg", LOUPE_TOKEN="1|x")
    no_api = await shell.loupe("upscale", "photo.jpg", LOUPE_TOKEN=free.token)
    (shell.folder / "other.jpg").write_bytes(photo_file.read_bytes())
    (shell.folder / "third.jpg").write_bytes(photo_file.read_bytes())
    quota = await shell.loupe(
        "upscale", "photo.jpg", "other.jpg", "third.jpg", "-j", "1", LOUPE_TOKEN=starter.token
    )

    assert [run.code for run in (unreachable, revoked, no_api, quota)] == [5, 3, 3, 4]
    assert "run `loupe login`" in revoked.out
    assert "The rest was not tried: You have exceeded your monthly image quota." in quota.out
    assert quota.out.count("done ") == 1


async def test_a_comparison_is_one_page_with_both_pictures(
    shell: Shell, photo_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "<b>.png").write_bytes(b"after")

    run = await shell.loupe("compare", "photo.jpg", "<b>.png", "-o", "page.html")

    page = (tmp_path / "page.html").read_text()
    pictures = [base64.b64decode(text) for text in re.findall(r"base64,([^\"]+)", page)]
    assert run.code == 0
    assert sorted(pictures) == sorted([photo_file.read_bytes(), b"after"])
    assert "<b>" not in page
    assert "://" not in page


async def test_the_version_and_the_completion_are_printed(shell: Shell) -> None:
    version = await shell.loupe("--version")
    completion = await shell.loupe("--show-completion", "bash")

    assert version.out == f"loupe {VERSION}\n"
    assert completion.code == 0, completion.err
    assert "complete" in completion.out


async def test_output_that_cannot_be_written_is_told_without_a_trace(shell: Shell, photo_file: Path) -> None:
    closed = await shell.run("bash", "-c", f"{LOUPE} models --json | true; exit ${{PIPESTATUS[0]}}")
    full = await shell.run("sh", "-c", f"{LOUPE} models > /dev/full")
    no_page = await shell.loupe("compare", "photo.jpg", "photo.jpg", "-o", "nowhere/page.html")

    assert (closed.code, closed.err) == (141, "")
    assert (full.code, full.err) == (1, "loupe: No space left on device.\n")
    assert (no_page.code, no_page.err) == (1, "loupe: nowhere/page.html: No such file or directory\n")


async def test_an_error_is_json_too(shell: Shell) -> None:
    run = await shell.loupe("usage", "--json", LOUPE_TOKEN="1|x")

    error = json.loads(run.err)
    assert (error["error"], error["code"]) == ("Unauthenticated", "unauthenticated")
    assert error["request_id"]


async def test_events_are_forwarded_as_signed_webhooks(
    shell: Shell, own: AsyncLoupe, photo_file: Path
) -> None:
    arrived: asyncio.Queue[tuple[bytes, dict[str, str]]] = asyncio.Queue()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[1:-1]
        headers = dict(line.split(": ", 1) for line in head)
        lengths = [value for name, value in headers.items() if name.lower() == "content-length"]
        await arrived.put((await reader.readexactly(int(lengths[0])), headers))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(receive, "127.0.0.1", 0) as program:
        url = f"http://127.0.0.1:{program.sockets[0].getsockname()[1]}"
        process = await shell.begin("webhooks", "listen", "--forward", url, "--types", "image.completed")
        assert process.stderr
        secret = (await process.stderr.readline()).decode().split()[-1]
        image_id = (await own.images.submit(photo_file)).id
        body, headers = await asyncio.wait_for(arrived.get(), 60)
        assert process.stdout
        line = (await process.stdout.readline()).decode()
        process.send_signal(signal.SIGINT)
        await ended(process)

    event = webhooks.verify(body, headers, secret)
    assert (event.type, event.data["id"]) == ("image.completed", image_id)
    assert line == f"image.completed    {image_id} -> 204\n"
