import { useState } from "preact/hooks";
import { api, bodyOf, type Schemas } from "../api/client";
import { loadAccess } from "../state/operator";
import { loadUser, user } from "../state/session";
import { factorTexts } from "../texts/factor";
import { onSubmit, useAction } from "./action";
import { Failure } from "./failure";
import { Field, withoutFields } from "./field";
import { ProofField, useProof, withoutProof } from "./proof";
import { QrCode } from "./qr-code";
import { Secret } from "./secret";

/** Switches the second factor on and off: codes of an app, and codes for the day on which the app is lost. */
export function SecondFactor() {
  const t = factorTexts();
  const [codes, setCodes] = useState<readonly string[]>();
  const isOn = !!user.value?.second_factor;
  const changed = async (recovery?: readonly string[]): Promise<void> => {
    setCodes(recovery);
    await Promise.all([loadUser(), loadAccess()]);
  };
  return (
    <section class="card form">
      <h2>{t.title}</h2>
      <p class={isOn ? "good" : "quiet"}>{isOn ? t.on : t.explain}</p>
      {codes && (
        <>
          <p>{t.recovery}</p>
          <Secret text={codes.join("\n")} />
        </>
      )}
      {isOn ? <On onChange={changed} /> : <Off onChange={changed} />}
    </section>
  );
}

type Change = (recovery?: readonly string[]) => Promise<void>;

function Off({ onChange }: { onChange: Change }) {
  const t = factorTexts();
  const [started, setStarted] = useState<Schemas["NewSecondFactor"]>();
  const proof = useProof();
  const start = useAction(async () => {
    setStarted((await bodyOf(api.POST("/api/user/second-factor", { body: proof.fields }))).data);
  });
  if (started) return <Confirmation started={started} onChange={onChange} />;
  return (
    <form class="form" onSubmit={onSubmit(start)}>
      <ProofField proof={proof} error={start.error} />
      <Failure error={withoutProof(start.error, proof)} />
      <button disabled={start.isRunning}>{t.start}</button>
    </form>
  );
}

function Confirmation({ started, onChange }: { started: Schemas["NewSecondFactor"]; onChange: Change }) {
  const t = factorTexts();
  const [otp, setOtp] = useState("");
  const confirm = useAction(async () => {
    const answer = await bodyOf(api.POST("/api/user/second-factor/confirm", { body: { otp } }));
    await onChange(answer.data.recovery_codes);
  });
  return (
    <form class="form" onSubmit={onSubmit(confirm)}>
      <p>{t.scan}</p>
      <QrCode text={started.uri} label={t.title} />
      <p class="quiet">
        {t.orType} <a href={started.uri}>{t.openApp}</a>
      </p>
      <code>{started.secret}</code>
      <CodeField value={otp} onChange={setOtp} error={confirm.error} />
      <button class="main-action" disabled={confirm.isRunning}>
        {t.confirm}
      </button>
    </form>
  );
}

function On({ onChange }: { onChange: Change }) {
  const t = factorTexts();
  const [otp, setOtp] = useState("");
  const body = { otp };
  const replace = useAction(async () => {
    const answer = await bodyOf(api.POST("/api/user/second-factor/recovery-codes", { body }));
    setOtp("");
    await onChange(answer.data.recovery_codes);
  });
  const remove = useAction(async () => {
    await bodyOf(api.DELETE("/api/user/second-factor", { body }));
    setOtp("");
    await onChange();
  });
  const isBusy = replace.isRunning || remove.isRunning;
  return (
    <form class="form" onSubmit={onSubmit(replace)}>
      <CodeField value={otp} onChange={setOtp} error={replace.error ?? remove.error} />
      <div class="row">
        <button disabled={isBusy}>{t.newCodes}</button>
        <button type="button" class="danger" disabled={isBusy} onClick={remove.run}>
          {t.remove}
        </button>
      </div>
    </form>
  );
}

function CodeField({ value, onChange, error }: { value: string; onChange: (otp: string) => void; error: unknown }) {
  return (
    <>
      <Field
        label={factorTexts().code}
        name="otp"
        isNumber
        autocomplete="one-time-code"
        value={value}
        onChange={onChange}
        error={error}
        required
      />
      <Failure error={withoutFields(error, "otp")} />
    </>
  );
}
