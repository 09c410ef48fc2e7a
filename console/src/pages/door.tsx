import { useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { api, bodyOf } from "../api/client";
import { onSubmit, useAction } from "../parts/action";
import { Failure } from "../parts/failure";
import { EmailField, Field, withoutFields } from "../parts/field";
import { LensMark } from "../parts/lens-mark";
import { SignInForm } from "../parts/sign-in-form";
import { fill, texts } from "../texts";

/** The pages of a person who is not signed in: sign-in, registration, forgotten password. */
export function Door() {
  const t = texts();
  const { path } = useLocation();
  const which = path.endsWith("/register") ? "register" : path.endsWith("/forgot") ? "forgot" : "signIn";
  return (
    <main class="door">
      <div class="card form">
        <span class="brand">
          <LensMark />
          {t.brand}
        </span>
        <h1>{t[which].title}</h1>
        {which === "register" ? <Register /> : which === "forgot" ? <Forgot /> : <SignIn />}
      </div>
    </main>
  );
}

function SignIn() {
  const t = texts().signIn;
  return (
    <>
      <SignInForm />
      <p class="row">
        <a class="button plain" href="/console/register">
          {t.register}
        </a>
        <a class="button plain" href="/console/forgot">
          {t.forgot}
        </a>
      </p>
    </>
  );
}

function Register() {
  const t = texts();
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const action = useAction(async () => {
    const body = { name, email, password, password_confirmation: again };
    await bodyOf(api.POST("/api/auth/register", { body }));
  });
  if (action.isDone) {
    return (
      <>
        <p class="notice fine" role="status">
          {fill(t.register.done, { email })}
        </p>
        <a class="button main-action" href="/console">
          {t.signIn.title}
        </a>
      </>
    );
  }
  const text = (label: string, field: string, value: string, onChange: (value: string) => void, rest: object) => (
    <Field label={label} name={field} value={value} onChange={onChange} error={action.error} required {...rest} />
  );
  return (
    <>
      <form class="form" onSubmit={onSubmit(action)}>
        {text(t.register.name, "name", name, setName, { autocomplete: "name" })}
        <EmailField value={email} onChange={setEmail} error={action.error} />
        {text(t.register.password, "password", password, setPassword, {
          type: "password",
          autocomplete: "new-password",
        })}
        {text(t.register.again, "password_confirmation", again, setAgain, {
          type: "password",
          autocomplete: "new-password",
        })}
        <Failure error={withoutFields(action.error, "name", "email", "password", "password_confirmation")} />
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

function Forgot() {
  const t = texts();
  const [email, setEmail] = useState("");
  const action = useAction(async () => {
    await bodyOf(api.POST("/api/auth/forgot-password", { body: { email } }));
  });
  return (
    <>
      {action.isDone ? (
        <p class="notice fine" role="status">
          {fill(t.forgot.done, { email })}
        </p>
      ) : (
        <form class="form" onSubmit={onSubmit(action)}>
          <p>{t.forgot.explain}</p>
          <EmailField value={email} onChange={setEmail} error={action.error} />
          <Failure error={withoutFields(action.error, "email")} />
          <button class="main-action" disabled={action.isRunning}>
            {t.forgot.action}
          </button>
        </form>
      )}
      <a class="button plain" href="/console">
        {t.forgot.back}
      </a>
    </>
  );
}
