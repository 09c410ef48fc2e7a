/** The API tokens of the user. */
import type { Ability, NewToken, Token, Tokens as TokenList } from "./models.js";
import type { Call } from "./options.js";
import type { Transport } from "./transport.js";

/** The abilities of a new token, and the proof that the request comes from its owner. */
export interface TokenWish extends Call {
  /** The abilities. By default they are those of the present token. */
  abilities?: Ability[];
  expiresAt?: Date;
  currentPassword?: string;
  otp?: string;
}

export class Tokens {
  constructor(private readonly transport: Transport) {}

  /** Returns all tokens, without their texts. */
  async list({ signal }: Call = {}): Promise<Token[]> {
    return (await this.transport.call<TokenList>("GET", "/api/user/tokens", { signal })).tokens;
  }

  /** Creates a token. Its `plain_text` is in this answer only. */
  create(name: string, wish: TokenWish = {}): Promise<NewToken> {
    const { abilities, otp, signal } = wish;
    const expiresAt = wish.expiresAt?.toISOString();
    const body = { name, abilities, expires_at: expiresAt, current_password: wish.currentPassword, otp };
    return this.transport.call("POST", "/api/user/tokens", { body, signal });
  }

  /** Revokes a token. */
  async revoke(id: number, { signal }: Call = {}): Promise<void> {
    await this.transport.call("DELETE", `/api/user/tokens/${id}`, { signal });
  }
}
