/** The texts of what happened to accounts, in all languages. Only the pages that list it load them. */
import type { Schemas } from "../api/client";
import { formatDate, language, texts } from "./index";

type Events = Readonly<Record<Schemas["AuditEvent"], string>>;

const en: Events = {
  "account.blocked": "Account blocked by an operator",
  "account.created": "Account created",
  "account.deleted": "Account deleted",
  "account.reauthentication_refused": "Change refused: wrong password or code",
  "account.unblocked": "Account unblocked by an operator",
  "address.verified": "Mail address verified",
  "address.change_requested": "Another mail address requested",
  "address.changed": "Mail address changed",
  "address.restored": "Former mail address restored",
  "batch.cancelled": "Batch cancelled",
  "batch.deleted": "Batch deleted",
  "dead_letter.redriven": "Dead letter handled again",
  "first_run.code_made": "Code for the first operator made",
  "first_run.refused": "Wrong code for the first operator",
  "image.deleted": "Picture deleted",
  "mail.limited": "Mail not sent: too many of them",
  "operator.appointed": "Made an operator",
  "operator.dismissed": "No longer an operator",
  "password.reset_requested": "New password requested by mail",
  "password.reset": "Password set by a link in a mail",
  "password.change_refused": "Password not changed: the current one was wrong",
  "password.changed": "Password changed",
  "plan.changed": "Plan changed",
  "quota.changed": "Monthly quota changed",
  "second_factor.disabled": "Second factor switched off",
  "second_factor.enabled": "Second factor switched on",
  "second_factor.recovery_code_used": "Signed in with a recovery code",
  "second_factor.recovery_codes_replaced": "Recovery codes replaced",
  "second_factor.refused": "Wrong code of the second factor",
  "sign_in.admitted": "Signed in",
  "sign_in.blocked": "Sign-in refused: the account is blocked",
  "sign_in.delayed": "Sign-in refused: too many wrong ones before",
  "sign_in.refused": "Sign-in refused: unknown address or wrong password",
  "sign_in.unverified": "Sign-in refused: the address is not verified",
  "signing_key.rotated": "Signing key replaced",
  "token.created": "Token created",
  "token.evicted": "Longest unused token revoked: there were too many",
  "token.revoked": "Tokens or sessions ended",
  "webhook.changed": "Webhook changed",
  "webhook.created": "Webhook added",
  "webhook.deleted": "Webhook deleted",
  "webhook.disabled": "Webhook disabled: its deliveries failed, or the address was restored",
  "webhook.secret_rotated": "Secret of webhooks replaced",
};

const de: Events = {
  "account.blocked": "Konto von einem Betreiber gesperrt",
  "account.created": "Konto angelegt",
  "account.deleted": "Konto gelöscht",
  "account.reauthentication_refused": "Änderung abgewiesen: falsches Passwort oder falscher Code",
  "account.unblocked": "Konto von einem Betreiber entsperrt",
  "address.verified": "Mailadresse bestätigt",
  "address.change_requested": "Andere Mailadresse gewünscht",
  "address.changed": "Mailadresse geändert",
  "address.restored": "Frühere Mailadresse wiederhergestellt",
  "batch.cancelled": "Stapel abgebrochen",
  "batch.deleted": "Stapel gelöscht",
  "dead_letter.redriven": "Aufgegebenes noch einmal bearbeitet",
  "first_run.code_made": "Code für den ersten Betreiber gemacht",
  "first_run.refused": "Falscher Code für den ersten Betreiber",
  "image.deleted": "Bild gelöscht",
  "mail.limited": "Mail nicht gesendet: es waren zu viele",
  "operator.appointed": "Zum Betreiber gemacht",
  "operator.dismissed": "Kein Betreiber mehr",
  "password.reset_requested": "Neues Passwort per Mail gewünscht",
  "password.reset": "Passwort durch den Link einer Mail gesetzt",
  "password.change_refused": "Passwort nicht geändert: das jetzige war falsch",
  "password.changed": "Passwort geändert",
  "plan.changed": "Tarif geändert",
  "quota.changed": "Monatliches Kontingent geändert",
  "second_factor.disabled": "Zweiter Faktor abgeschaltet",
  "second_factor.enabled": "Zweiter Faktor eingeschaltet",
  "second_factor.recovery_code_used": "Mit einem Ersatzcode angemeldet",
  "second_factor.recovery_codes_replaced": "Ersatzcodes erneuert",
  "second_factor.refused": "Falscher Code des zweiten Faktors",
  "sign_in.admitted": "Angemeldet",
  "sign_in.blocked": "Anmeldung abgewiesen: das Konto ist gesperrt",
  "sign_in.delayed": "Anmeldung abgewiesen: vorher waren zu viele falsch",
  "sign_in.refused": "Anmeldung abgewiesen: unbekannte Adresse oder falsches Passwort",
  "sign_in.unverified": "Anmeldung abgewiesen: die Adresse ist nicht bestätigt",
  "signing_key.rotated": "Schlüssel für Signaturen erneuert",
  "token.created": "Token gemacht",
  "token.evicted": "Am längsten unbenutztes Token widerrufen: es waren zu viele",
  "token.revoked": "Tokens oder Sitzungen beendet",
  "webhook.changed": "Webhook geändert",
  "webhook.created": "Webhook hinzugefügt",
  "webhook.deleted": "Webhook gelöscht",
  "webhook.disabled": "Webhook abgeschaltet: Sendungen schlugen fehl, oder die Adresse wurde zurückgeholt",
  "webhook.secret_rotated": "Geheimnis von Webhooks erneuert",
};

interface Details {
  names: Readonly<Record<string, string>>;
  /** The meanings of values, by the name of the detail. Other values are names or ids, and stay as they are. */
  values: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const enDetails: Details = {
  names: {
    batch_id: "Batch",
    ends_at: "Ends on",
    image_id: "Picture",
    images: "Pictures",
    images_per_month: "Images a month",
    key_id: "Key",
    kind: "Mail",
    plan: "Plan",
    reason: "Reason",
    sequence: "Message",
    token_id: "Token",
    token_ids: "Tokens",
    webhook_id: "Webhook",
  },
  values: {
    images_per_month: { plan: "as the plan says", unlimited: "no limit" },
    kind: { reset: "a new password", verify: "verify the address", verify_change: "verify the new address" },
  },
};

const deDetails: Details = {
  names: {
    batch_id: "Stapel",
    ends_at: "Endet am",
    image_id: "Bild",
    images: "Bilder",
    images_per_month: "Bilder im Monat",
    key_id: "Schlüssel",
    kind: "Mail",
    plan: "Tarif",
    reason: "Grund",
    sequence: "Nachricht",
    token_id: "Token",
    token_ids: "Tokens",
    webhook_id: "Webhook",
  },
  values: {
    images_per_month: { plan: "wie im Tarif", unlimited: "ohne Grenze" },
    kind: { reset: "neues Passwort", verify: "Adresse bestätigen", verify_change: "neue Adresse bestätigen" },
  },
};

/** Returns a detail of an event as a person reads it: its name and its value. */
export function detailText(name: string, value: string): [name: string, value: string] {
  const { names, values } = language.value === "de" ? deDetails : enDetails;
  const reasons = name === "reason" ? texts().webhooks.reasons : {};
  const instant = name.endsWith("_at") && !Number.isNaN(Date.parse(value)) && formatDate(value);
  return [names[name] ?? name.replaceAll("_", " "), instant || (values[name]?.[value] ?? reasons[value] ?? value)];
}

/** The titles of all events, in the chosen language. */
export function eventTexts(): Events {
  return language.value === "de" ? de : en;
}
