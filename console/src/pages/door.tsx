import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { api, bodyOf } from "../api/client";
import { operators } from "../operators/client";
import { AccountForm, type NewAccount } from "../parts/account-form";
import { onSubmit, useAction } from "../parts/action";
import { Failure } from "../parts/failure";
import { EmailField, withoutFields } from "../parts/field";
import { LensMark } from "../parts/lens-mark";
import { SignInForm } from "../parts/sign-in-form";
import { fill, texts } from "../texts";
import { FirstRun } from "./first-run";

/** The pages of a person who is not signed in: sign-in, registration, forgotten password. */
export function Door() {
  const t = texts();
  const { path } = useLocation();
  const which = PAGES.find((page) => path.endsWith(`/${ADDRESSES[page]}`)) ?? "signIn";
  const Page = FORMS[which];
  return (
    <main class="door">
      <div class="card form">
        <span class="brand">
          <LensMark />
          {t.brand}
        </span>
        <h1>{t[which].title}</h1>
        <Page />
      </div>
    </main>
  );
}

const ADDRESSES = { register: "register", forgot: "forgot", firstRun: "first-run" } as const;
const PAGES = ["register", "forgot", "firstRun"] as const;
const FORMS = { register: Register, forgot: Forgot, firstRun: FirstRun, signIn: SignIn };

function SignIn() {
  const t = texts().signIn;
  const [isFresh, setIsFresh] = useState(false);
  useEffect(() => {
    bodyOf(operators.GET("/api/admin/first-run")).then(
      (answer) => setIsFresh(answer.data.is_open),
      () => undefined, // the sign-in works without it
    );
  }, []);
  return (
    <>
      {isFresh && (
        <p class="notice fine">
          {texts().firstRun.fresh} <a href="/console/first-run">{texts().firstRun.title}</a>
        </p>
      )}
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
  const [email, setEmail] = useState("");
  if (email) {
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
  const create = async (body: NewAccount): Promise<void> => {
    await bodyOf(api.POST("/api/auth/register", { body }));
    setEmail(body.email);
  };
  return <AccountForm create={create} />;
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
