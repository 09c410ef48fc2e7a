import { useState } from "preact/hooks";
import { api, ApiError, bodyOf } from "../api/client";
import { AccountTabs } from "../parts/account-tabs";
import { onSubmit, useAction } from "../parts/action";
import { Failure } from "../parts/failure";
import { Field, withoutFields } from "../parts/field";
import { forgetUser, user } from "../state/session";
import { chooseLanguage, fill, language, LANGUAGES, texts } from "../texts";

export function Account() {
  const t = texts().account;
  return (
    <>
      <AccountTabs />
      <h1>{t.title}</h1>
      <Profile />
      <Password />
      <section class="card form">
        <label class="field">
          <span>{t.language}</span>
          <select value={language.value} onChange={(event) => chooseLanguage(event.currentTarget.value)}>
            {Object.entries(LANGUAGES).map(([code, { name }]) => (
              <option key={code} value={code} lang={code}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </section>
      <Everywhere />
    </>
  );
}

function Profile() {
  const t = texts().account;
  const [name, setName] = useState(user.value?.name ?? "");
  const [email, setEmail] = useState(user.value?.email ?? "");
  const [proof, setProof] = useState("");
  const [asksProof, setAsksProof] = useState(false);
  const hasFactor = !!user.value?.second_factor;
  const action = useAction(async () => {
    const body = {
      name,
      ...(email !== user.value?.email && { email }),
      ...(proof && (hasFactor ? { otp: proof } : { current_password: proof })),
    };
    user.value = (await bodyOf(api.PATCH("/api/user", { body }))).data;
    setProof("");
    setAsksProof(false);
  });
  const needsProof = action.error instanceof ApiError && action.error.code === "reauthentication_required";
  if (needsProof && !asksProof) setAsksProof(true);
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
      {asksProof && (
        <Field
          label={hasFactor ? texts().signIn.otp : texts().tokens.password}
          name={hasFactor ? "otp" : "current_password"}
          type={hasFactor ? "text" : "password"}
          autocomplete={hasFactor ? "one-time-code" : "current-password"}
          value={proof}
          onChange={setProof}
          error={action.error}
        />
      )}
      <Failure
        error={
          needsProof && !proof
            ? undefined
            : withoutFields(action.error, "name", "email", "otp", "current_password")
        }
      />
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
