/** The options of the next uploads. The browser remembers them. */
import { effect, signal } from "@preact/signals";

export interface Options {
  size: "2" | "3" | "4" | "exact";
  width: string;
  height: string;
  fit: "stretch" | "cover" | "contain";
  model: string;
  denoise: string;
  /** How much of `enhance` the result has, from 0 to 1. */
  strength: string;
  format: string;
  quality: string;
  keepsMetadata: boolean;
  isExact: boolean;
}

const KEY = "loupe.options";
export const DEFAULTS: Options = {
  size: "2",
  width: "",
  height: "",
  fit: "stretch",
  model: "auto",
  denoise: "",
  strength: "1",
  format: "",
  quality: "",
  keepsMetadata: false,
  isExact: false,
};

/** The models that take a level of denoising. */
export const WITH_LEVELS = ["auto", "clean", "art"];

/** The model that can be blended with the faithful one. */
export const WITH_STRENGTH = "enhance";

export function parse(stored: string | null): Options {
  try {
    return { ...DEFAULTS, ...(JSON.parse(stored ?? "{}") as Partial<Options>) };
  } catch {
    return DEFAULTS;
  }
}

export const options = signal(parse(localStorage.getItem(KEY)));

effect(() => localStorage.setItem(KEY, JSON.stringify(options.value)));

export function change(changed: Partial<Options>): void {
  options.value = { ...options.value, ...changed };
}

/** Returns the fields of the upload form. Those that a person left empty are left out. */
export function toFields(chosen: Options): Record<string, string> {
  const size =
    chosen.size === "exact"
      ? { target_width: chosen.width, target_height: chosen.height, fit: chosen.fit }
      : { scale_factor: chosen.size };
  const fields = {
    ...size,
    model: chosen.model,
    denoise: WITH_LEVELS.includes(chosen.model) ? chosen.denoise : "",
    strength: chosen.model === WITH_STRENGTH && chosen.strength !== DEFAULTS.strength ? chosen.strength : "",
    output_format: chosen.format,
    quality: chosen.quality,
    metadata: chosen.keepsMetadata ? "keep" : "",
    precision: chosen.isExact ? "exact" : "",
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}
