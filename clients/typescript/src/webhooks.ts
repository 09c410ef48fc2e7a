/** Webhooks: where the server sends events to, and what became of each delivery. */
import type {
  Delivery,
  EventType,
  NewWebhook,
  SigningSecret,
  Webhook,
  Webhooks as WebhookList,
} from "./models.js";
import type { Call } from "./options.js";
import { type Listing, pages } from "./pages.js";
import type { Transport } from "./transport.js";

/** The changes of a webhook. */
export interface WebhookChange extends Call {
  url?: string;
  /** The types of events that are sent; all by default. */
  types?: EventType[];
  description?: string;
  isEnabled?: boolean;
}

export class Webhooks {
  constructor(private readonly transport: Transport) {}

  /** Returns all webhooks, without their secrets. */
  async list({ signal }: Call = {}): Promise<Webhook[]> {
    return (await this.transport.call<WebhookList>("GET", "/api/webhooks", { signal })).webhooks;
  }

  /** Has events sent to an address. The secret is in this answer only. */
  create(url: string, wish: Omit<WebhookChange, "url"> & { secret?: string } = {}): Promise<NewWebhook> {
    const body = { ...bodyOf({ ...wish, url }), secret: wish.secret };
    return this.transport.call("POST", "/api/webhooks", { body, signal: wish.signal });
  }

  get(id: number, { signal }: Call = {}): Promise<Webhook> {
    return this.transport.call("GET", `/api/webhooks/${id}`, { signal });
  }

  /** Changes what is given. */
  update(id: number, change: WebhookChange): Promise<Webhook> {
    return this.transport.call("PATCH", `/api/webhooks/${id}`, {
      body: bodyOf(change),
      signal: change.signal,
    });
  }

  async delete(id: number, { signal }: Call = {}): Promise<void> {
    await this.transport.call("DELETE", `/api/webhooks/${id}`, { signal });
  }

  /** Has a `webhook.test` sent. */
  test(id: number, { signal }: Call = {}): Promise<Delivery> {
    return this.transport.call("POST", `/api/webhooks/${id}/test`, { signal });
  }

  /** Returns a new secret. The old one signs too for a day. */
  rotateSecret(id: number, { signal }: Call = {}): Promise<SigningSecret> {
    return this.transport.call("POST", `/api/webhooks/${id}/secret/rotate`, { body: {}, signal });
  }

  /** Returns the secret of webhooks that an upload names by `webhook_url`. */
  accountSecret({ signal }: Call = {}): Promise<SigningSecret> {
    return this.transport.call("GET", "/api/webhooks/secret", { signal });
  }

  /** Returns a new secret of the account. The old one signs too for a day. */
  rotateAccountSecret({ signal }: Call = {}): Promise<SigningSecret> {
    return this.transport.call("POST", "/api/webhooks/secret/rotate", { body: {}, signal });
  }

  /** Yields the deliveries of a webhook, the newest first. */
  deliveries(
    id: number,
    listing: Listing & { type?: EventType } = {},
  ): AsyncGenerator<Delivery, void, undefined> {
    return pages(this.transport, `/api/webhooks/${id}/deliveries`, listing, { type: listing.type });
  }

  /** Has a delivery sent again. */
  replay(deliveryId: number, { signal }: Call = {}): Promise<Delivery> {
    return this.transport.call("POST", `/api/webhooks/deliveries/${deliveryId}/replay`, { signal });
  }
}

function bodyOf({ url, types, description, isEnabled }: WebhookChange): Record<string, unknown> {
  return { url, types, description, is_enabled: isEnabled };
}
