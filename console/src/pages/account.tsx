import { useState } from "preact/hooks";
import { api, bodyOf } from "../api/client";
import { AccountTabs } from "../parts/account-tabs";
import { onSubmit, useAction } from "../parts/action";
import { Choice } from "../parts/choice";
import { Failure } from "../parts/failure";
import { Field, withoutFields } from "../parts/field";
import { ProofField, useProof, withoutProof } from "../parts/proof";
import { SecondFactor } from "../parts/second-factor";
import { forgetUser, user } from "../state/session";
import { chooseLanguage, fill, language, LANGUAGES, texts } from "../texts";

export function Account() {
  const t = texts().account;
  return (
    <>
      <AccountTabs />
      <h1>{t.title}</h1>
      <div class="beside equal">
        <div class="stack">
          <Profile />
          <SecondFactor />
        </div>
        <div class="stack">
          <Password />
          <Language />
          <Everywhere />
        </div>
      </div>
    </>
  );
}

function Language() {
  return (
    <section class="card form">
      <Choice
        label={texts().account.language}
        choices={Object.entries(LANGUAGES).map(([code, { name }]) => [code, name])}
        value={language.value}
        onChange={chooseLanguage}
      />
    </section>
  );
}

function Profile() {
  const t = texts().account;
  const [name, setName] = useState(user.value?.name ?? "");
  const [email, setEmail] = useState(user.value?.email ?? "");
  const proof = useProof();
  const action = useAction(async () => {
    const body = {
      name,
      ...(email !== user.value?.email && { email }),
      ...proof.fields,
    };
    user.value = (await bodyOf(api.PATCH("/api/user", { body }))).data;
    proof.setText("");
  });
  const pending = user.value?.pending_email;
  return (
    <form class="card form" onSubmit={onSubmit(action)}>
      <h2>{t.profile}</h2>
      <Field label={t.name} name="name" autocomplete="name" value={name} onChange={setName} error={action.error} />
      <Field
        label={t.email}
        name="email"
        type="email"
        autocomplete="email"
        value={email}
        onChange={setEmail}
        error={action.error}
        note={pending && fill(t.pending, { email: pending })}
      />
      <ProofField proof={proof} error={action.error} />
      <Failure error={withoutProof(action.error, proof, "name", "email")} />
      {action.isDone && <p role="status">{t.saved}</p>}
      <button class="main-action" disabled={action.isRunning}>
        {t.save}
      </button>
    </form>
  );
}

function Password() {
  const t = texts();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [otp, setOtp] = useState("");
  const action = useAction(async () => {
    const body = {
      current_password: current,
      password,
      password_confirmation: again,
      ...(otp && { otp }),
    };
    await bodyOf(api.PUT("/api/user/password", { body }));
    setCurrent("");
    setPassword("");
    setAgain("");
    setOtp("");
  });
  return (
    <form class="card form" onSubmit={onSubmit(action)}>
      <h2>{t.account.password}</h2>
      <input type="email" autocomplete="username" value={user.value?.email ?? ""} readOnly hidden />
      <Field
        label={t.account.current}
        name="current_password"
        type="password"
        autocomplete="current-password"
        value={current}
        onChange={setCurrent}
        error={action.error}
      />
      <Field
        label={t.account.new}
        note={t.register.passwordNote}
        name="password"
        type="password"
        autocomplete="new-password"
        value={password}
        onChange={setPassword}
        error={action.error}
      />
      <Field
        label={t.account.again}
        name="password_confirmation"
        type="password"
        autocomplete="new-password"
        value={again}
        onChange={setAgain}
        error={action.error}
      />
      {user.value?.second_factor && (
        <Field
          label={t.signIn.otp}
          name="otp"
          isNumber
          autocomplete="one-time-code"
          value={otp}
          onChange={setOtp}
          error={action.error}
        />
      )}
      <Failure error={withoutFields(action.error, "current_password", "password", "password_confirmation", "otp")} />
      {action.isDone && <p role="status">{t.account.changed}</p>}
      <button class="main-action" disabled={action.isRunning}>
        {t.account.change}
      </button>
    </form>
  );
}

function Everywhere() {
  const t = texts().account;
  const action = useAction(async () => {
    await bodyOf(api.POST("/api/auth/revoke-all"));
    forgetUser();
  });
  return (
    <section class="card form">
      <p>{t.everywhereNote}</p>
      <Failure error={action.error} />
      <button class="danger" disabled={action.isRunning} onClick={action.run}>
        {t.everywhere}
      </button>
    </section>
  );
}
