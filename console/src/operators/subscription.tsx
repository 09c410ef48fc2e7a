import { Field } from "../parts/field";
import type { Operators } from "./client";
import { operatorTexts } from "./texts";

type ManagedUser = Operators["ManagedUser"];

/** A subscription without its plan. Both are saved together. */
export interface Subscription {
  /** Days such as 2030-01-31, or empty texts. */
  ends: string;
  trial: string;
  isUnpaid: boolean;
}

export function subscriptionOf(found: ManagedUser): Subscription {
  return {
    ends: dayOf(found.subscription_ends_at),
    trial: dayOf(found.trial_ends_at),
    isUnpaid: found.subscription_status === "past_due",
  };
}

/** Returns the fields of the API. A day that was not changed keeps its time of day. */
export function fieldsOf({ ends, trial, isUnpaid }: Subscription, found: ManagedUser) {
  return {
    ends_at: instantOf(ends, found.subscription_ends_at),
    trial_ends_at: instantOf(trial, found.trial_ends_at),
    past_due: isUnpaid,
  };
}

interface Props {
  value: Subscription;
  onChange: (value: Subscription) => void;
  error: unknown;
}

export function SubscriptionFields({ value, onChange, error }: Props) {
  const t = operatorTexts();
  return (
    <>
      <Field
        label={t.ends}
        name="ends_at"
        type="date"
        value={value.ends}
        onChange={(ends) => onChange({ ...value, ends })}
        error={error}
      />
      <Field
        label={t.trial}
        name="trial_ends_at"
        type="date"
        value={value.trial}
        onChange={(trial) => onChange({ ...value, trial })}
        error={error}
      />
      <label class="tick">
        <input
          type="checkbox"
          checked={value.isUnpaid}
          onChange={(event) => onChange({ ...value, isUnpaid: event.currentTarget.checked })}
        />
        <span>{t.unpaid}</span>
      </label>
    </>
  );
}

function dayOf(instant: string | null): string {
  return instant?.slice(0, 10) ?? "";
}

function instantOf(day: string, before: string | null): string {
  return day === dayOf(before) ? (before ?? "") : day && `${day}T00:00:00Z`;
}
