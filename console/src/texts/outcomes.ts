/** The texts of how deliveries of webhooks ended, in all languages. Only the pages that list them load them. */
import { fill, language } from "./index";

const en = {
  answered: "answered {status}",
  url_invalid: "the address is not valid",
  scheme_refused: "the address must begin with https://",
  port_refused: "the port is not allowed",
  address_refused: "the address is not on the public internet",
  name_not_found: "the name of the host does not exist",
  lookup_failed: "the name of the host was not found out",
  connection_refused: "nobody listens at the address",
  connection_failed: "the connection failed",
  tls_failed: "the certificate is not valid",
  too_slow: "the answer took too long",
  too_large: "the answer is too large",
  too_many_redirects: "too many redirects",
  answer_invalid: "the answer is not HTTP",
};

const de: typeof en = {
  answered: "antwortete mit {status}",
  url_invalid: "die Adresse ist nicht gültig",
  scheme_refused: "die Adresse muss mit https:// beginnen",
  port_refused: "der Port ist nicht erlaubt",
  address_refused: "die Adresse liegt nicht im öffentlichen Internet",
  name_not_found: "den Namen des Rechners gibt es nicht",
  lookup_failed: "der Name des Rechners war nicht herauszufinden",
  connection_refused: "an der Adresse hört niemand",
  connection_failed: "die Verbindung misslang",
  tls_failed: "das Zertifikat ist nicht gültig",
  too_slow: "die Antwort dauerte zu lange",
  too_large: "die Antwort ist zu groß",
  too_many_redirects: "zu viele Umleitungen",
  answer_invalid: "die Antwort ist kein HTTP",
};

/** Returns how a delivery ended, from the status of the answer, or from the code of the reason why there was none. */
export function outcomeText(outcome: string): string {
  const t: Readonly<Record<string, string>> = language.value === "de" ? de : en;
  if (/^\d+$/.test(outcome)) return fill(t.answered ?? "", { status: outcome });
  return t[outcome] ?? outcome.replaceAll("_", " ");
}
