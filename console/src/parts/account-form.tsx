import { useState } from "preact/hooks";
import { texts } from "../texts";
import { onSubmit, useAction } from "./action";
import { Failure } from "./failure";
import { EmailField, Field, withoutFields } from "./field";

export interface NewAccount {
  name: string;
  email: string;
  password: string;
  password_confirmation: string;
}

interface Props {
  create: (account: NewAccount) => Promise<void>;
  /** A further field before the others. */
  first?: { label: string; name: string; value: string; onChange: (value: string) => void };
}

const NAMES = ["name", "email", "password", "password_confirmation"] as const;

/** Asks for what a new account needs, and creates it. */
export function AccountForm({ create, first }: Props) {
  const t = texts().register;
  const [account, setAccount] = useState<NewAccount>({ name: "", email: "", password: "", password_confirmation: "" });
  const action = useAction(() => create(account));
  const { error } = action;
  const bound = (name: keyof NewAccount) => ({
    name,
    error,
    required: true,
    value: account[name],
    onChange: (value: string) => setAccount({ ...account, [name]: value }),
  });
  const secret = { type: "password", autocomplete: "new-password" } as const;
  return (
    <>
      <form class="form" onSubmit={onSubmit(action)}>
        {first && <Field {...first} error={error} required />}
        <Field label={t.name} autocomplete="name" {...bound("name")} />
        <EmailField {...bound("email")} />
        <Field label={t.password} note={t.passwordNote} {...secret} {...bound("password")} />
        <Field label={t.again} {...secret} {...bound("password_confirmation")} />
        <Failure error={withoutFields(error, ...NAMES, ...(first ? [first.name] : []))} />
        <button class="main-action" disabled={action.isRunning}>
          {t.action}
        </button>
      </form>
      <a class="button plain" href="/console">
        {t.have}
      </a>
    </>
  );
}
