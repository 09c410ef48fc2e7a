import { useState } from "preact/hooks";
import { bodyOf } from "../api/client";
import { operators } from "../operators/client";
import { onSubmit, useAction } from "../parts/action";
import { Failure } from "../parts/failure";
import { EmailField, Field, withoutFields } from "../parts/field";
import { signedInAs } from "../state/session";
import { texts } from "../texts";

/** Makes the first operator of a fresh installation, and signs in. */
export function FirstRun() {
  const t = texts();
  const [code, setCode] = useState("");
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const action = useAction(async () => {
    const body = { code, name, email, password, password_confirmation: again };
    const call = operators.POST("/api/admin/first-run", { body: body as never }); // its description names no body
    signedInAs((await bodyOf(call)).data);
  });
  const { error } = action;
  const secret = { type: "password", autocomplete: "new-password", error, required: true } as const;
  return (
    <>
      <form class="form" onSubmit={onSubmit(action)}>
        <p>{t.firstRun.explain}</p>
        <Field label={t.firstRun.code} name="code" value={code} onChange={setCode} error={error} required />
        <Field
          label={t.register.name}
          name="name"
          autocomplete="name"
          value={name}
          onChange={setName}
          error={error}
          required
        />
        <EmailField value={email} onChange={setEmail} error={error} />
        <Field label={t.register.password} name="password" value={password} onChange={setPassword} {...secret} />
        <Field label={t.register.again} name="password_confirmation" value={again} onChange={setAgain} {...secret} />
        <Failure error={withoutFields(error, "code", "name", "email", "password", "password_confirmation")} />
        <button class="main-action" disabled={action.isRunning}>
          {t.register.action}
        </button>
      </form>
      <a class="button plain" href="/console">
        {t.register.have}
      </a>
    </>
  );
}
