/** The client gets over faults between it and the running system, and nothing is charged twice. */
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { Loupe, ServiceUnavailable, TooManyRequests, WaitTimedOut } from "loupe-client";
import { proxyTo } from "./faulty-proxy.mjs";

const { API, TOKEN: token, PHOTO } = process.env;
const direct = new Loupe({ url: API, token });
const proxy = await proxyTo(API);
const said = [];
const loupe = new Loupe({ url: proxy.url, token, log: (message) => said.push(message) });

beforeEach(() => {
  for (const list of [proxy.faults, proxy.seen, said]) list.length = 0;
});
after(proxy.close);

const used = async () => (await direct.account.usage()).image_uploads.used;

test("an upload that breaks off at any point is sent again with the same key, and charged once", async () => {
  const before = await used();
  const path = "/api/images/upscale";
  proxy.faults.push({ path, cut: "upload" }, { path, status: 503 }, { path, cut: "answer" });

  const image = await loupe.images.submit(PHOTO);

  const posts = proxy.seen.filter((each) => each.method === "POST");
  assert.equal(posts.length, 4);
  assert.equal(new Set(posts.map((each) => each.headers["idempotency-key"])).size, 1);
  assert.ok(posts[0].headers["idempotency-key"]);
  assert.equal(await used(), before + 1);
  assert.equal(said.length, 3);
  assert.ok(!said.join().includes(token));
  await loupe.images.wait(image.id);
});

test("two calls have two keys", async () => {
  await loupe.images.submit(PHOTO);
  await loupe.images.submit(PHOTO);

  assert.equal(new Set(proxy.seen.map((each) => each.headers["idempotency-key"])).size, 2);
});

test("a POST without a key is not sent again when it may have arrived", async () => {
  proxy.faults.push({ path: "/api/user/tokens", cut: "answer" });

  await assert.rejects(loupe.tokens.create("lost"), { name: "ConnectionFailed" });

  assert.equal(proxy.seen.length, 1);
});

test("a limit is waited for as long as the server asks", async () => {
  proxy.faults.push({
    path: "/api/usage",
    status: 429,
    code: "too_many_requests",
    headers: { "retry-after": "1" },
  });

  await loupe.account.usage();

  assert.ok(Number(/again in (\d+) ms/.exec(said[0])[1]) >= 1000);
  assert.equal(proxy.seen.length, 2);
});

test("a limit that lasts too long is an error at once", async () => {
  proxy.faults.push({
    path: "/api/usage",
    status: 429,
    code: "too_many_requests",
    headers: { "retry-after": "3000" },
  });

  await assert.rejects(
    loupe.account.usage(),
    (error) => error instanceof TooManyRequests && error.retryAfter === 3000,
  );
});

test("a server that stays away is an error after the last attempt", async () => {
  const impatient = new Loupe({ url: proxy.url, token, retries: 1 });
  proxy.faults.push({ path: "/api/usage", status: 503 }, { path: "/api/usage", status: 503 });

  await assert.rejects(impatient.account.usage(), ServiceUnavailable);
  assert.equal(proxy.seen.length, 2);
});

test("deleting what the first attempt has deleted is a success", async () => {
  const { id } = await direct.images.submit(PHOTO);
  proxy.faults.push({ path: `/api/images/${id}`, cut: "answer" });

  await loupe.images.delete(id);

  assert.equal(proxy.seen.length, 2);
});

test("a wait goes on without events, whether they are refused or break off", async () => {
  for (const fault of [{ status: 429, code: "too_many_event_streams" }, { cutAfter: 1 }]) {
    proxy.faults.push({ path: "/api/events", ...fault });
    const { id } = await direct.images.submit(PHOTO);

    assert.equal((await loupe.images.wait(id)).status, "completed");
  }
});

test("a wait that is over says that the image goes on", async () => {
  const { id } = await direct.images.submit(PHOTO);
  for (let n = 0; n < 5; n += 1) proxy.faults.push({ path: `/api/images/${id}`, status: 503 });

  await assert.rejects(loupe.images.wait(id, { timeoutMs: 100 }), WaitTimedOut);
});

test("events go on after a break without a gap", async () => {
  proxy.faults.push({ path: "/api/events", cutAfter: 400 });
  const ids = [];
  const completed = new Set();
  const following = loupe.events.follow({
    onOpen: async () => ids.length || ids.push(...(await Promise.all([1, 2, 3].map(submit)))),
  });
  for await (const event of following) {
    if (event.type === "image.completed") completed.add(event.image.id);
    if (ids.length && ids.every((id) => completed.has(id))) break;
  }

  assert.ok(proxy.seen.filter((each) => each.path === "/api/events").length >= 2);

  async function submit() {
    return (await direct.images.submit(PHOTO)).id;
  }
});

test("a download that breaks off goes on where it was", async () => {
  const { image } = await direct.upscale(PHOTO, { scale: 4, format: "png" });
  const whole = await direct.images.download(image.id);
  const store = await proxyTo(new URL(image.download_url).origin);
  const viaProxy = (url, init) =>
    fetch(String(url).replace(new URL(image.download_url).origin, store.url), init);
  const disturbed = new Loupe({ url: API, token, fetch: viaProxy });
  store.faults.push({ path: "/", cutAfter: 1000 }, { path: "/", status: 503 }, { path: "/", status: 403 });

  const again = await disturbed.images.download(image);

  assert.deepEqual(
    (await again.bytes?.()) ?? new Uint8Array(await again.arrayBuffer()),
    new Uint8Array(await whole.arrayBuffer()),
  );
  assert.equal(store.seen.length, 4);
  assert.match(store.seen.at(-1).headers.range, /^bytes=\d{3,}-$/);
  store.close();
});
