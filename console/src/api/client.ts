/** Calls the API with the cookie of the session. A refusal is thrown as an `ApiError`, in the API's words. */
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Image = Schemas["Image"];
export type User = Schemas["User"];
export type Problem = Schemas["Problem"];

/** Pages of other sites cannot send this header, so the server trusts a cookie only with it. */
export const CONSOLE_HEADER = { "X-Loupe-Console": "1" };

export const api = createClient<paths>({ baseUrl: window.location.origin, headers: CONSOLE_HEADER });

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fields: Readonly<Record<string, string[]>> = {},
    readonly retryAfterSeconds = 0,
  ) {
    super(message);
  }

  /** The fault, for a person: the texts of the fields, or else the message. */
  get sentence(): string {
    return Object.values(this.fields).flat().join(" ") || this.message;
  }

  get isSignedOut(): boolean {
    return this.status === 401 && this.code === "unauthenticated";
  }
}

export const UNREACHABLE = "unreachable";

let onSignedOut: () => void = () => {};

/** Sets what happens when the server says that the session has ended. */
export function whenSignedOut(action: () => void): void {
  onSignedOut = action;
}

export function toError(status: number, body: unknown, retryAfter: string | null): ApiError {
  const problem = (typeof body === "object" && body !== null ? body : {}) as Partial<Problem>;
  const error = new ApiError(
    status,
    problem.code ?? UNREACHABLE,
    problem.message ?? "",
    problem.errors ?? {},
    Number(retryAfter ?? 0) || 0,
  );
  if (error.isSignedOut) onSignedOut();
  return error;
}

interface Answer<Body> {
  data?: Body;
  error?: unknown;
  response: Response;
}

/** Returns the body of an answer. Throws an `ApiError`; its code is `unreachable` if there was no answer. */
export async function bodyOf<Body>(call: Promise<Answer<Body>>): Promise<Body> {
  let answer: Answer<Body>;
  try {
    answer = await call;
  } catch {
    throw new ApiError(0, UNREACHABLE, "");
  }
  if (answer.data === undefined) {
    throw toError(answer.response.status, answer.error, answer.response.headers.get("Retry-After"));
  }
  return answer.data;
}

/** Calls the sign-in and sign-out, which are no part of the API. */
export async function callSession(method: "POST" | "DELETE", body?: object): Promise<User> {
  const answer = fetch("/console/session", {
    method,
    headers: { ...CONSOLE_HEADER, ...(body && { "Content-Type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  }).then(async (response) => {
    const parsed: unknown = await response.json().catch(() => undefined);
    return response.ok
      ? { data: parsed as { data: User }, response }
      : { error: parsed, response };
  });
  return (await bodyOf<{ data: User }>(answer)).data;
}
