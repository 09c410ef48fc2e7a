/** The texts of the second factor, in all languages. Only the pages that need them load them. */
import { language } from "./index";

const en = {
  title: "Second factor",
  explain: "With a code from an app on your telephone, your password alone admits nobody.",
  on: "On. Each sign-in asks for a code.",
  start: "Set it up",
  scan: "Scan this with an app that makes codes, such as Aegis, 2FAS or Google Authenticator.",
  orType: "Or type this secret into the app.",
  openApp: "On this telephone: open the app",
  code: "Code of the app",
  confirm: "Switch it on",
  recovery: "Keep these codes in a safe place. Each of them replaces one code of the app, if you lose it.",
  newCodes: "New recovery codes",
  remove: "Switch it off",
};

const de: typeof en = {
  title: "Zweiter Faktor",
  explain: "Mit einem Code aus einer App Ihres Telefons lässt Ihr Passwort allein niemanden ein.",
  on: "Eingeschaltet. Jede Anmeldung fragt nach einem Code.",
  start: "Einrichten",
  scan: "Lesen Sie dies mit einer App ein, die Codes macht, etwa Aegis, 2FAS oder Google Authenticator.",
  orType: "Oder tippen Sie dieses Geheimnis in die App.",
  openApp: "Auf diesem Telefon: die App öffnen",
  code: "Code der App",
  confirm: "Einschalten",
  recovery: "Verwahren Sie diese Codes gut. Jeder ersetzt einen Code der App, falls Sie sie verlieren.",
  newCodes: "Neue Ersatzcodes",
  remove: "Abschalten",
};

export function factorTexts(): typeof en {
  return language.value === "de" ? de : en;
}
