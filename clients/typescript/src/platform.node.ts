/** Does what only Node can: reads and writes paths, and finds the server that `loupe login` stored. */
import { randomBytes } from "node:crypto";
import { openAsBlob, readFileSync } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidInput, NotConfigured } from "./errors.js";
import type { Server } from "./servers.js";
import { VERSION } from "./version.js";

export const USER_AGENT: string = `loupe-client-typescript/${VERSION}`;
const LOCAL_STACK = join(".loupe", "local.json");

/** Returns the name and the content of a file, which is read while it is sent. */
export async function openFile(file: string | URL): Promise<{ name: string; content: Blob }> {
  const path = pathOf(file);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new InvalidInput(found ? `${path} is no file.` : `There is no file ${path}.`);
  return { name: basename(path), content: await openAsBlob(path) };
}

/** Writes a file, and returns its path. Until it is complete it has a temporary name beside it. */
export async function saveTo(target: string | URL, chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const path = pathOf(target);
  const hidden = `.${basename(path).slice(0, 100)}.${randomBytes(4).toString("hex")}.part`;
  const temporary = join(dirname(path), hidden);
  const file = await open(temporary, "wx");
  try {
    for await (const chunk of chunks) await file.writeFile(chunk);
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close();
    await rm(temporary, { force: true });
    throw error;
  }
  return path;
}

export async function isFolder(target: string | URL): Promise<boolean> {
  return (await stat(pathOf(target)).catch(() => undefined))?.isDirectory() ?? false;
}

export function environment(): Record<string, string | undefined> {
  return process.env;
}

/** Returns the server of the profile, else that of a clone which contains this folder. */
export function storedServer(): Server | undefined {
  return profile() ?? localStack();
}

function profile(): Server | undefined {
  const { LOUPE_PROFILE, XDG_CONFIG_HOME } = process.env;
  const path = LOUPE_PROFILE || join(XDG_CONFIG_HOME || join(homedir(), ".config"), "loupe", "profile.json");
  try {
    const { url, token } = JSON.parse(readFileSync(path, "utf8")) as Server;
    return { url: String(url), token: String(token) };
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    throw new NotConfigured(
      `The profile ${path} cannot be read: ${String(error)}. \`loupe login\` writes a new one.`,
    );
  }
}

function localStack(folder = process.cwd()): Server | undefined {
  try {
    const { api, token } = JSON.parse(readFileSync(join(folder, LOCAL_STACK), "utf8")) as {
      api: string;
      token: string;
    };
    // a folder of a stranger must not send pictures elsewhere
    if (isLoopback(api)) return { url: api, token: String(token) };
  } catch {
    // there is none in this folder
  }
  const parent = resolve(folder, "..");
  return parent === folder ? undefined : localStack(parent);
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function pathOf(file: string | URL): string {
  if (!(file instanceof URL)) return file;
  if (file.protocol !== "file:")
    throw new InvalidInput(`${file.protocol}// is no kind of link that Loupe fetches.`);
  return fileURLToPath(file);
}
