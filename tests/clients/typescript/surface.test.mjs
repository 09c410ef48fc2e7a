/** The client reaches the rest of the API: keys, direct uploads, estimates, archives, webhooks and logins. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { IdempotencyKeyReused, InvalidCredentials, Loupe, Unauthenticated } from "loupe-client";

const { API: url, TOKEN: token, PHOTO, EMAIL, PASSWORD } = process.env;
const loupe = new Loupe({ url, token });
const used = async () => (await loupe.account.usage()).image_uploads.used;

test("a key makes one image however often the call is repeated", async () => {
  const idempotencyKey = "the-same-call";

  const first = await loupe.images.submit(PHOTO, { idempotencyKey });
  const again = await loupe.images.submit(PHOTO, { idempotencyKey });

  await assert.rejects(loupe.images.submit(PHOTO, { scale: 3, idempotencyKey }), IdempotencyKeyReused);
  assert.equal(first.id, again.id);
  assert.equal(await used(), 1);
});

test("a direct upload does not pass through the API", async () => {
  for (const source of [PHOTO, await readFile(PHOTO)]) {
    const accepted = await loupe.images.submitDirectly(source, { scale: 3, filename: "direct.jpg" });

    const image = await loupe.images.wait(accepted.id);

    assert.deepEqual([image.original_filename, image.scale_factor], ["direct.jpg", 3]);
  }
});

test("an estimate costs nothing", async () => {
  const before = await used();

  const estimate = await loupe.images.estimate(1920, 1080, { scale: 2 });

  assert.ok(estimate.accepted);
  assert.deepEqual([estimate.result.width, estimate.result.height], [3840, 2160]);
  assert.equal(await used(), before);
});

test("a batch gives its images, its report and its archive", async () => {
  const accepted = await loupe.batches.submit([PHOTO, await readFile(PHOTO)]);
  await loupe.batches.wait(accepted.id);

  const saved = await readFile(await loupe.batches.saveArchive(accepted.id, "all.zip"));
  const streamed = await new Response(loupe.batches.archive(accepted.id)).arrayBuffer();
  const ids = [];
  for await (const image of loupe.batches.images(accepted.id, { perPage: 1 })) ids.push(image.id);

  assert.equal(saved.subarray(0, 4).toString(), "PK\u0003\u0004");
  assert.equal(streamed.byteLength, saved.length);
  assert.deepEqual(
    ids,
    accepted.images.map((image) => image.id),
  );
  assert.equal((await loupe.batches.report(accepted.id)).trim().split("\n").length, 3);
});

test("webhooks are made, changed and deleted", async () => {
  const made = await loupe.webhooks.create("https://127.0.0.1/loupe", { types: ["image.completed"] });
  const changed = await loupe.webhooks.update(made.webhook.id, { isEnabled: false });
  const rotated = await loupe.webhooks.rotateSecret(made.webhook.id);
  const listed = await loupe.webhooks.list();
  for await (const delivery of loupe.webhooks.deliveries(made.webhook.id)) assert.fail(String(delivery.id));
  await loupe.webhooks.delete(made.webhook.id);

  assert.match(made.secret, /^whsec_/);
  assert.notEqual(rotated.secret, made.secret);
  assert.equal(changed.is_enabled, false);
  assert.deepEqual(
    listed.map((each) => each.id),
    [made.webhook.id],
  );
  assert.deepEqual(await loupe.webhooks.list(), []);
});

test("a login returns a token that works until the logout", async () => {
  const stranger = new Loupe({ url, token: "none" });

  const session = await stranger.account.login(EMAIL, PASSWORD, { deviceName: "laptop" });
  const known = new Loupe({ url, token: session.token });

  assert.equal((await known.account.get()).email, EMAIL);
  await known.account.logout();
  await assert.rejects(known.account.get(), Unauthenticated);
  await assert.rejects(stranger.account.login(EMAIL, "Wrong-Horse-1"), InvalidCredentials);
});
