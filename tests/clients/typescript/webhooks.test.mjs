/** `webhooks.verify` accepts what others sign by the specification, and nothing else. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { InvalidInput, WebhookInvalid, webhooks } from "loupe-client";

/** The example of Standard Webhooks. */
const [SECRET, ID, AT] = [
  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  "msg_p5jXN8AQM9LWM0D4loKWxJek",
  1614265330,
];
const BODY = '{"test": 2432232314}';
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const OTHER = "whsec_YW5vdGhlciBzZWNyZXQ=";
const now = new Date(AT * 1000);

/** An event that the Python package standardwebhooks has signed, as one JSON object. */
const { secret, body, headers } = JSON.parse(await readFile(process.env.SIGNED, "utf8"));
const signedAt = new Date(Number(headers["webhook-timestamp"]) * 1000);

test("a signature is that of the specification", async () => {
  assert.equal(await webhooks.sign(BODY, ID, AT, SECRET), SIGNATURE);
});

test("an event that another package has signed is returned with its id", async () => {
  const event = await webhooks.verify(body, headers, secret);
  const fromBytes = await webhooks.verify(new TextEncoder().encode(body), new Headers(headers), [
    OTHER,
    secret,
  ]);

  assert.deepEqual([event.type, event.image.id, event.id], ["image.completed", 42, headers["webhook-id"]]);
  assert.deepEqual(fromBytes, event);
  assert.equal(event.timestamp.toISOString(), "2026-02-15T12:00:00.000Z");
});

test("one of several signatures is enough", async () => {
  const several = { ...headers, "webhook-signature": `v1,bm9uZQ== v2,x ${headers["webhook-signature"]}` };

  assert.equal((await webhooks.verify(body, several, secret)).type, "image.completed");
});

for (const [what, change] of [
  ["another signature", { "webhook-signature": "v1,bm9uZQ==" }],
  ["a signature that is no base64", { "webhook-signature": "v1,ö" }],
  ["an empty signature", { "webhook-signature": "" }],
  ["another time", { "webhook-timestamp": String(signedAt.getTime() / 1000 + 1) }],
  ["a time that is no number", { "webhook-timestamp": "soon" }],
  ["a time that is no instant", { "webhook-timestamp": "9".repeat(30) }],
  ["another id", { "webhook-id": "msg_other" }],
  ["a missing header", { "webhook-id": undefined }],
]) {
  test(`${what} is refused`, async () => {
    await assert.rejects(webhooks.verify(body, { ...headers, ...change }, secret), WebhookInvalid);
  });
}

test("another body, another secret and an old webhook are refused", async () => {
  const late = new Date(signedAt.getTime() + 600_000);

  await assert.rejects(webhooks.verify(`${body} `, headers, secret), WebhookInvalid);
  await assert.rejects(webhooks.verify(body, headers, OTHER), WebhookInvalid);
  await assert.rejects(webhooks.verify(body, headers, secret, { now: late }), WebhookInvalid);
  await webhooks.verify(body, headers, secret, { now: late, toleranceSeconds: 601 });
});

test("a signed body that is no event is refused", async () => {
  const signed = { "webhook-id": ID, "webhook-timestamp": String(AT), "webhook-signature": SIGNATURE };

  await assert.rejects(webhooks.verify(BODY, signed, SECRET, { now }), /The body is no event/);
});

test("a secret that is none is an error of the caller", async () => {
  await assert.rejects(webhooks.verify(body, headers, "no secret!"), InvalidInput);
  await assert.rejects(webhooks.verify(body, headers, "whsec_"), InvalidInput);
});
