import { signal } from "@preact/signals";
import { de } from "./de";
import { en, type Texts } from "./en";

const KEY = "loupe.language";
export const LANGUAGES: Record<string, { name: string; texts: Texts }> = {
  en: { name: "English", texts: en },
  de: { name: "Deutsch", texts: de },
};

function preferred(): string {
  const wanted = [localStorage.getItem(KEY) ?? "", ...navigator.languages.map((each) => each.slice(0, 2))];
  return wanted.find((each) => each in LANGUAGES) ?? "en";
}

export const language = signal(preferred());

/** The texts of the chosen language. Components that read them are drawn again when it changes. */
export function texts(): Texts {
  return LANGUAGES[language.value]?.texts ?? en;
}

export function chooseLanguage(code: string): void {
  localStorage.setItem(KEY, code);
  language.value = code;
  document.documentElement.lang = code;
}

/** Returns the text with its `{placeholders}` replaced. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (found, name: string) => String(values[name] ?? found));
}

/** Returns the names as a list of alternatives, such as "PNG, TIFF or GIF". */
export function listOf(names: readonly string[]): string {
  const locale = language.value === "en" ? "en-GB" : language.value; // without a comma before "or"
  return new Intl.ListFormat(locale, { type: "disjunction" }).format(names);
}

export function formatDate(instant: string, withTime = false): string {
  const style: Intl.DateTimeFormatOptions = withTime
    ? { dateStyle: "medium", timeStyle: "short" }
    : { dateStyle: "medium" };
  return new Intl.DateTimeFormat(language.value, style).format(new Date(instant));
}
