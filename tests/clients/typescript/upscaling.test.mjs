/** The client does what a user's first lines say, on the running system. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, readdir } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import * as client from "loupe-client";
import { Loupe } from "loupe-client";

const { API: url, TOKEN: token, PHOTO } = process.env;
const [WIDTH, HEIGHT] = [48, 32];
const NOBODYS = 2 ** 31 - 1;
const loupe = new Loupe({ url, token });

/** Returns width and height of a PNG. */
async function sizeOf(blob) {
  const view = new DataView(await blob.arrayBuffer());
  assert.equal(view.getUint32(0), 0x89504e47);
  return [view.getUint32(16), view.getUint32(20)];
}

/** Returns the entry of the audit about a new token. It is there soon after the token. */
async function audited(id) {
  for (let tries = 0; tries < 400; tries += 1) {
    for await (const entry of loupe.account.audit({ event: "token.created" })) {
      if (entry.details.token_id === String(id)) return entry;
    }
    await pause(50);
  }
  throw new Error(`The audit has no token ${id}.`);
}

test("one line upscales a file and downloads it", async () => {
  const file = new File([await readFile(PHOTO)], "cat.jpg");

  const picture = await loupe.upscale(file, { scale: 4, format: "png" }).then((r) => r.download());

  assert.equal(picture.type, "image/png");
  assert.deepEqual(await sizeOf(picture), [WIDTH * 4, HEIGHT * 4]);
});

test("a result is saved under its name only when it is complete", async () => {
  const folder = await mkdtemp("saved-");

  const upscaled = await loupe.upscale(PHOTO, { width: WIDTH * 2, format: "png" });
  const lengths = [];
  const chosen = await upscaled.save(join(folder, "large.png"), {
    onBytes: (length) => lengths.push(length),
  });
  const named = await upscaled.save(folder);

  const content = await readFile(chosen);
  assert.equal(named, `${folder}/photo.png`);
  assert.deepEqual(await readFile(named), content);
  assert.equal(
    lengths.reduce((sum, each) => sum + each),
    content.length,
  );
  assert.deepEqual((await readdir(folder)).sort(), ["large.png", "photo.png"]);
  assert.deepEqual(
    new Uint8Array(await new Response(upscaled.stream()).arrayBuffer()),
    new Uint8Array(content),
  );
});

test("paths, links to files, bytes, blobs and streams are sources", async () => {
  const bytes = await readFile(PHOTO);
  const sources = [
    [PHOTO, "photo.jpg"],
    [pathToFileURL(PHOTO), "photo.jpg"],
    [new Uint8Array(bytes), "image"],
    [bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), "image"],
    [new Blob([bytes]), "image"],
    [new File([bytes], "my cat ä.jpg"), "my cat ä.jpg"],
    [new Blob([bytes]).stream(), "image"],
    [createReadStream(PHOTO), "image"],
  ];

  for (const [source, name] of sources) {
    assert.equal((await loupe.images.submit(source)).original_filename, name);
  }
  assert.equal((await loupe.images.submit(bytes, { filename: "named.jpg" })).original_filename, "named.jpg");
});

test("what cannot be sent is refused before anything is sent", async () => {
  await assert.rejects(loupe.upscale("missing.jpg"), {
    name: "InvalidInput",
    message: "There is no file missing.jpg.",
  });
  await assert.rejects(
    loupe.upscale(PHOTO, { size: 4 }),
    /There is no option size\. The options are scale, width/,
  );
  await assert.rejects(loupe.upscale(42), client.InvalidInput);
  assert.throws(() => new Loupe({ url: "loupe.example.com" }), client.InvalidInput);
});

test("a batch ends with all its images", async () => {
  const accepted = await loupe.batches.submit([PHOTO, await readFile(PHOTO)], { name: "Two", scale: 2 });

  const batch = await loupe.batches.wait(accepted.id, { timeoutMs: 60_000 });

  assert.deepEqual([batch.status, batch.completed_images, batch.name], ["completed", 2, "Two"]);
  const listed = [];
  for await (const each of loupe.batches.list()) listed.push(each.id);
  assert.deepEqual(listed, [accepted.id]);
  await loupe.batches.delete(accepted.id);
  await assert.rejects(loupe.batches.get(accepted.id), client.NotFound);
});

test("an iterator reads all pages, the newest first", async () => {
  const submitted = [];
  for (let n = 0; n < 3; n += 1) submitted.unshift((await loupe.images.submit(PHOTO)).id);

  const listed = [];
  for await (const image of loupe.images.list({ perPage: 2 })) {
    listed.push(image.id);
    if (listed.length === 3) break;
  }

  assert.deepEqual(listed, submitted);
});

test("a refusal is an error of its class, with its code and fields", async () => {
  const text = new Blob(["This is a text."]);

  await assert.rejects(loupe.upscale(text), (error) => {
    assert.ok(error instanceof client.ValidationFailed && error instanceof client.LoupeError);
    assert.deepEqual([error.status, error.code], [422, "validation_failed"]);
    assert.deepEqual(error.errors.image, [error.message]);
    assert.ok(error.requestId);
    return true;
  });
  await assert.rejects(new Loupe({ url, token: "none" }).account.get(), client.Unauthenticated);
  await assert.rejects(loupe.images.get(NOBODYS), { name: "NotFound", code: "image_not_found" });
});

test("another server at the address is noticed", async () => {
  const elsewhere = http
    .createServer((_, response) => response.end("<h1>Welcome</h1>"))
    .listen(0, "127.0.0.1");
  await once(elsewhere, "listening");
  const lost = new Loupe({ url: `http://127.0.0.1:${elsewhere.address().port}`, token });

  await assert.rejects(lost.account.usage(), client.UnexpectedAnswer);
  elsewhere.close();
});

test("events name what happens, and later ones come after the last that is known", async () => {
  const seen = [];
  const accepted = {};
  for await (const event of loupe.events.follow({
    types: ["image.accepted", "image.completed"],
    onOpen: submit,
  })) {
    seen.push(event);
    if (event.type === "image.completed" && event.image.id === accepted.id) break;
  }
  async function submit() {
    Object.assign(accepted, await loupe.images.submit(PHOTO));
  }
  const replayed = [];
  for await (const event of loupe.events.follow({ imageId: accepted.id, lastEventId: seen[0].id })) {
    replayed.push(event.id);
    if (event.type === "image.completed") break;
  }

  assert.equal(replayed.at(-1), seen.at(-1).id);
  assert.ok(seen.at(-1).timestamp instanceof Date);
});

test("an abort ends a wait, an upload and a stream with its reason", async () => {
  const reason = new Error("the user left");
  const aborted = AbortSignal.abort(reason);
  const controller = new AbortController();
  const following = loupe.events.follow({
    signal: controller.signal,
    onOpen: () => controller.abort(reason),
  });

  await assert.rejects(loupe.upscale(PHOTO, { signal: aborted }), reason);
  await assert.rejects(loupe.images.wait(NOBODYS, { signal: aborted }), reason);
  await assert.rejects(following.next(), reason);
});

test("an account reads its usage, models, plans and tokens", async () => {
  const created = await loupe.tokens.create("short", { abilities: ["images:read"] });
  const limited = new Loupe({ url: `${url}/api/`, token: created.plain_text });
  const [usage, history] = [await loupe.account.usage(), await loupe.account.usageHistory({ by: "month" })];

  await assert.rejects(limited.upscale(PHOTO), client.MissingAbility);
  assert.ok((await loupe.tokens.list()).some((each) => each.id === created.token.id));
  await loupe.tokens.revoke(created.token.id);
  assert.equal((await audited(created.token.id)).actor, "user");
  await assert.rejects(limited.images.list().next(), client.Unauthenticated);
  assert.equal(usage.plan, "professional");
  assert.equal(history.entries.at(-1).used, usage.image_uploads.used);
  assert.ok((await loupe.models()).some((each) => each.name === "auto"));
  assert.ok((await loupe.plans()).some((each) => each.slug === "free"));
  assert.equal((await loupe.account.subscription()).plan.slug, "professional");
  assert.equal((await loupe.request("GET", "/api/user")).id, (await loupe.account.get()).id);
});
