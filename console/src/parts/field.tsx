import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { ApiError } from "../api/client";
import { texts } from "../texts";

interface Props {
  label: string;
  name: string;
  value: string;
  onChange: (value: string) => void;
  error?: unknown;
  note?: ComponentChildren;
  type?: "text" | "email" | "password" | "date";
  autocomplete?: AutoFill;
  isNumber?: boolean;
  required?: boolean;
}

type AutoFill = "name" | "email" | "username" | "current-password" | "new-password" | "one-time-code" | "off";

/** A text field with its label, and below it what the API says about it. */
export function Field(props: Props) {
  const { label, name, value, onChange, error, note, type = "text", autocomplete = "off" } = props;
  const id = useId();
  const problems = error instanceof ApiError ? (error.fields[name] ?? []) : [];
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type={type as "text"} // the types of Preact allow no choice here
        autocomplete={autocomplete}
        inputMode={props.isNumber ? "numeric" : type === "email" ? "email" : "text"}
        required={props.required ?? false}
        name={name}
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
        aria-invalid={problems.length > 0}
        aria-describedby={`${id}-note ${id}-problem`}
      />
      <span id={`${id}-note`} class="quiet" hidden={!note}>
        {note}
      </span>
      <span id={`${id}-problem`} class="bad quiet" hidden={problems.length === 0}>
        {problems.join(" ")}
      </span>
    </div>
  );
}

/** The mail address of an account. Browsers fill it in. */
export function EmailField({ value, onChange, error }: Pick<Props, "value" | "onChange" | "error">) {
  return (
    <Field
      label={texts().signIn.email}
      name="email"
      type="email"
      autocomplete="username"
      required
      value={value}
      onChange={onChange}
      error={error}
    />
  );
}

/** Returns the error, unless a field with one of these names shows it. */
export function withoutFields(error: unknown, ...names: string[]): unknown {
  const isShown = error instanceof ApiError && names.some((name) => name in error.fields);
  return isShown ? undefined : error;
}
