import { useState } from "preact/hooks";
import { api, ApiError, bodyOf } from "../api/client";
import { signIn } from "../state/session";
import { fill, texts } from "../texts";
import { onSubmit, useAction } from "./action";
import { Failure } from "./failure";
import { EmailField, Field, withoutFields } from "./field";

export function SignInForm({ email: known = "" }: { email?: string }) {
  const t = texts().signIn;
  const [email, setEmail] = useState(known);
  const [password, setPassword] = useState("");
  const [otp, setOtp] = useState("");
  const action = useAction(() => signIn(email, password, otp));
  const code = action.error instanceof ApiError ? action.error.code : "";
  const [needsCode, setNeedsCode] = useState(false);
  if (code === "second_factor_required" && !needsCode) setNeedsCode(true);
  const isFirstAsk = needsCode && !otp;
  return (
    <form class="form" onSubmit={onSubmit(action)}>
      <EmailField value={email} onChange={setEmail} error={action.error} />
      <Field
        label={t.password}
        name="password"
        type="password"
        autocomplete="current-password"
        required
        value={password}
        onChange={setPassword}
        error={action.error}
      />
      {needsCode && (
        <Field
          label={t.otp}
          name="otp"
          isNumber
          autocomplete="one-time-code"
          value={otp}
          onChange={setOtp}
          error={isFirstAsk ? undefined : action.error}
        />
      )}
      {code === "email_unverified" ? (
        <Unverified email={email} />
      ) : (
        <Failure error={isFirstAsk ? undefined : withoutFields(action.error, "email", "password", "otp")} />
      )}
      <button class="main-action" disabled={action.isRunning}>
        {t.action}
      </button>
    </form>
  );
}

function Unverified({ email }: { email: string }) {
  const t = texts().signIn;
  const action = useAction(async () => {
    await bodyOf(api.POST("/api/email/verification-notification", { body: { email } }));
  });
  return (
    <div class="notice row" role="alert">
      <p>{fill(action.isDone ? t.resent : t.unverified, { email })}</p>
      {!action.isDone && (
        <button type="button" onClick={action.run}>
          {t.resend}
        </button>
      )}
      <Failure error={action.error} />
    </div>
  );
}
