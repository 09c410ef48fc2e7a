/**
 * The client of Loupe, a self-hosted image upscaling service.
 *
 *     await new Loupe({ url, token }).upscale(file, { scale: 4 }).then((result) => result.download())
 */
export type { Account, Proof } from "./account.js";
export type { Batches, BatchSubmission } from "./batches.js";
export { Loupe, type LoupeOptions, type Upscaling } from "./client.js";
export * from "./errors.js";
export type { LoupeEvent } from "./event-frames.js";
export type { Events, Following } from "./events.js";
export type { DownloadCall, Images, ImageSubmission, Upscaled } from "./images.js";
export type * from "./models.js";
export type { Call, Item, Options, Submission, Wait } from "./options.js";
export type { Listing } from "./pages.js";
export type { Source } from "./sources.js";
export type { TokenWish } from "./tokens.js";
export type { Request } from "./transport.js";
export type { WebhookChange, Webhooks as OwnWebhooks } from "./webhooks.js";
export { VERSION } from "./version.js";
export * as webhooks from "./signatures.js";
