/** The password or code with which a person proves who they are, where the API asks for it. */
import { useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { user } from "../state/session";
import { texts } from "../texts";
import { Field, withoutFields } from "./field";

interface Proof {
  name: "otp" | "current_password";
  text: string;
  setText: (text: string) => void;
  /** The fields that a request sends as proof. They are empty until the API has required them. */
  fields: { otp?: string; current_password?: string };
}

export function useProof(): Proof {
  const [text, setText] = useState("");
  const name = user.value?.second_factor ? "otp" : "current_password";
  return { name, text, setText, fields: text ? { [name]: text } : {} };
}

const isFirstAsk = (error: unknown, proof: Proof): boolean =>
  error instanceof ApiError && error.code === "reauthentication_required" && !proof.text;

/** The field for the proof. It is there once the API has asked. */
export function ProofField({ proof, error }: { proof: Proof; error: unknown }) {
  const isRefused = error instanceof ApiError && proof.name in error.fields;
  if (!proof.text && !isRefused && !isFirstAsk(error, proof)) return null;
  return (
    <Field
      label={proof.name === "otp" ? texts().signIn.otp : texts().tokens.password}
      name={proof.name}
      type={proof.name === "otp" ? "text" : "password"}
      isNumber={proof.name === "otp"}
      autocomplete={proof.name === "otp" ? "one-time-code" : "current-password"}
      value={proof.text}
      onChange={proof.setText}
      error={error}
    />
  );
}

/** Returns the error, unless the field of the proof or another field shows it. */
export function withoutProof(error: unknown, proof: Proof, ...names: string[]): unknown {
  return isFirstAsk(error, proof) ? undefined : withoutFields(error, proof.name, ...names);
}
