import { useId } from "preact/hooks";
import { texts } from "../texts";

interface Props {
  label: string;
  /** The values with their titles, in the order of the list. */
  choices: readonly (readonly [value: string, title: string])[];
  value: string;
  onChange: (value: string) => void;
}

/** A list of which one value is chosen, with its label above it. */
export function Choice({ label, choices, value, onChange }: Props) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <Select id={id} choices={choices} value={value} onChange={onChange} />
    </div>
  );
}

/** A filter of a list: all, or one of the choices. */
export function Filter<Value extends string>(props: {
  titles: Readonly<Record<Value, string>>;
  value: Value | "";
  onChange: (value: Value | "") => void;
}) {
  const t = texts().history;
  const choices: [string, string][] = [["", t.all], ...Object.entries<string>(props.titles)];
  return (
    <label class="row">
      <span>{t.filter}</span>
      <Select choices={choices} value={props.value} onChange={(value) => props.onChange(value as Value | "")} />
    </label>
  );
}

function Select({ id, choices, value, onChange }: Omit<Props, "label"> & { id?: string }) {
  return (
    <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      {choices.map(([each, title]) => (
        <option key={each} value={each}>
          {title}
        </option>
      ))}
    </select>
  );
}
