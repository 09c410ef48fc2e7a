/** Stands in for the abilities that pages lack: reading paths, the environment, and the profile of `loupe login`. */
import { InvalidInput } from "./errors.js";
import type { Server } from "./servers.js";

/** Pages may not name themselves: the header would need the consent of the server. */
export const USER_AGENT: string = "";

export async function openFile(path: string | URL): Promise<{ name: string; content: Blob }> {
  throw new InvalidInput(`There is no file ${path}: pages cannot read paths. Give a File.`);
}

export async function saveTo(path: string | URL): Promise<string> {
  throw new InvalidInput(`${path} cannot be written: pages cannot write files. Use download().`);
}

export async function isFolder(): Promise<boolean> {
  return false;
}

export function environment(): Record<string, string | undefined> {
  return {};
}

export function storedServer(): Server | undefined {
  return undefined;
}
