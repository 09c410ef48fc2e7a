/** The account of the user: profile, usage, plan, logging in and out. */
import type {
  AuditEntry,
  AuditEvent,
  NewSecondFactor,
  RecoveryCodes,
  RestoredAddress,
  Session,
  SubscriptionAndPlan,
  Usage,
  UsageHistory,
  UsageStep,
  User,
} from "./models.js";
import type { Call } from "./options.js";
import { type Listing, pages } from "./pages.js";
import type { Query, Transport } from "./transport.js";

/** The proof that the request comes from the owner of the account. */
export interface Proof extends Call {
  currentPassword?: string;
  /** A code of the second factor. */
  otp?: string;
}

export class Account {
  constructor(private readonly transport: Transport) {}

  /** Returns the profile. */
  get({ signal }: Call = {}): Promise<User> {
    return this.transport.call("GET", "/api/user", { signal });
  }

  /** Changes name or address. A new address counts once its mail is confirmed. */
  update(change: { name?: string; email?: string } & Proof): Promise<User> {
    const { name, email, currentPassword, otp, signal } = change;
    const body = { name, email, current_password: currentPassword, otp };
    return this.transport.call("PATCH", "/api/user", { body, signal });
  }

  /** Deletes the account with all images and files. */
  async delete({ currentPassword, otp, signal }: Proof = {}): Promise<void> {
    const body = { current_password: currentPassword, otp };
    await this.transport.call("DELETE", "/api/user", { body, signal });
  }

  /** Returns the images of this month, and how many are left. */
  usage({ signal }: Call = {}): Promise<Usage> {
    return this.transport.call("GET", "/api/usage", { signal });
  }

  /** Returns the images by day or by month. `from` and `to` are days such as `2026-02-15`. */
  usageHistory(wish: { by?: UsageStep; from?: string; to?: string } & Call = {}): Promise<UsageHistory> {
    const { by = "day", from, to, signal } = wish;
    const query: Query = { by, from, to };
    return this.transport.call("GET", "/api/usage/history", { query, signal });
  }

  /**
   * Yields what happened to the account, the newest first. `from` and `to` are days such as `2026-02-15`, or
   * instants. The day `to` is included, an instant `to` is not.
   */
  audit(
    wish: { event?: AuditEvent; from?: string; to?: string } & Omit<Listing, "status"> = {},
  ): AsyncGenerator<AuditEntry, void, undefined> {
    const { event, from, to } = wish;
    return pages(this.transport, "/api/audit", wish, { event, from, to });
  }

  /** Returns the subscription, if there is one, and the plan. */
  subscription({ signal }: Call = {}): Promise<SubscriptionAndPlan> {
    return this.transport.call("GET", "/api/subscription", { signal });
  }

  /** Returns a new token. The client goes on with its own. */
  login(
    email: string,
    password: string,
    more: { otp?: string; deviceName?: string } & Call = {},
  ): Promise<Session> {
    const body = { email, password, otp: more.otp, device_name: more.deviceName };
    return this.transport.call("POST", "/api/auth/login", { body, signal: more.signal });
  }

  /** Creates an account, and returns its first token. The address has to be verified by mail. */
  register(
    name: string,
    email: string,
    password: string,
    more: { deviceName?: string } & Call = {},
  ): Promise<Session> {
    const body = { name, email, password, password_confirmation: password, device_name: more.deviceName };
    return this.transport.call("POST", "/api/auth/register", { body, signal: more.signal });
  }

  /** Revokes the token of this client. */
  logout(call: Call = {}): Promise<void> {
    return this.post("/api/auth/logout", undefined, call);
  }

  /** Revokes all tokens of the user. */
  revokeAll(call: Call = {}): Promise<void> {
    return this.post("/api/auth/revoke-all", undefined, call);
  }

  /** Sets another password. All other tokens are revoked. */
  async changePassword(
    current: string,
    next: string,
    { otp, signal }: { otp?: string } & Call = {},
  ): Promise<void> {
    const body = { current_password: current, password: next, password_confirmation: next, otp };
    await this.transport.call("PUT", "/api/user/password", { body, signal });
  }

  /** Has a link mailed that sets a new password. */
  forgotPassword(email: string, call: Call = {}): Promise<void> {
    return this.post("/api/auth/forgot-password", { email }, call);
  }

  /** Sets a new password with the text of that link. All tokens are revoked. */
  resetPassword(token: string, password: string, call: Call = {}): Promise<void> {
    return this.post("/api/auth/reset-password", { token, password, password_confirmation: password }, call);
  }

  /** Verifies the address with the text of the link in its mail. */
  async verifyEmail(signed: string, { signal }: Call = {}): Promise<void> {
    await this.transport.call("GET", `/api/email/verify/${signed}`, { signal });
  }

  /** Has the verification mail sent again. */
  resendVerification(email?: string, call: Call = {}): Promise<void> {
    return this.post("/api/email/verification-notification", { email }, call);
  }

  /** Undoes the change of the address with the text of the link in its mail. */
  restoreEmail(token: string, { signal }: Call = {}): Promise<RestoredAddress> {
    return this.transport.call("POST", "/api/email/restore", { body: { token }, signal });
  }

  /** Returns the secret of a second factor, which `confirmSecondFactor` switches on. */
  startSecondFactor(proof: Proof = {}): Promise<NewSecondFactor> {
    return this.factor("POST", "", proof);
  }

  /** Switches the second factor on, and returns the recovery codes, which are in this answer only. */
  async confirmSecondFactor(otp: string, call: Call = {}): Promise<string[]> {
    return (await this.factor<RecoveryCodes>("POST", "/confirm", { otp, ...call })).recovery_codes;
  }

  /** Returns new recovery codes. */
  async replaceRecoveryCodes(otp: string, call: Call = {}): Promise<string[]> {
    return (await this.factor<RecoveryCodes>("POST", "/recovery-codes", { otp, ...call })).recovery_codes;
  }

  /** Switches the second factor off. */
  removeSecondFactor(otp: string, call: Call = {}): Promise<void> {
    return this.factor("DELETE", "", { otp, ...call });
  }

  private factor<Data>(method: string, path: string, { currentPassword, otp, signal }: Proof): Promise<Data> {
    const body = { current_password: currentPassword, otp };
    return this.transport.call(method, `/api/user/second-factor${path}`, { body, signal });
  }

  private async post(path: string, body: unknown, { signal }: Call): Promise<void> {
    await this.transport.call("POST", path, { body, signal });
  }
}
