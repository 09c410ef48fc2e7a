/** How waits end while no worker works. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ImageFailed, Loupe, WaitTimedOut } from "loupe-client";

const { API: url, TOKEN: token, PHOTO } = process.env;
const loupe = new Loupe({ url, token });

test("an image that was cancelled is an error with its code", async () => {
  const accepted = await loupe.batches.submit([PHOTO]);
  const [{ id }] = accepted.images;
  const failed = loupe.images.wait(id).catch((error) => error);
  await loupe.batches.delete(accepted.id);

  const error = await failed;

  assert.ok(error instanceof ImageFailed);
  assert.deepEqual([error.code, error.retryable, error.imageId], ["cancelled", true, id]);
  assert.equal((await loupe.images.waitForEnd(id)).status, "failed");
});

test("a wait ends in time or with its signal, and the image goes on", async () => {
  const { id } = await loupe.images.submit(PHOTO);
  const controller = new AbortController();
  const reason = new Error("the user left");

  await assert.rejects(loupe.images.wait(id, { timeoutMs: 200 }), WaitTimedOut);
  const aborted = loupe.images.wait(id, {
    signal: controller.signal,
    onChange: () => controller.abort(reason),
  });
  await assert.rejects(aborted, reason);

  assert.ok(["pending", "processing"].includes((await loupe.images.get(id)).status));
  await loupe.images.delete(id);
});
