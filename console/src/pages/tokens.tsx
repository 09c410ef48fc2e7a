import { useEffect, useState } from "preact/hooks";
import { api, ApiError, bodyOf, type Schemas } from "../api/client";
import { onSubmit, useAction } from "../parts/action";
import { ApiTabs } from "../parts/api-tabs";
import { Failure } from "../parts/failure";
import { Field, withoutFields } from "../parts/field";
import { Secret } from "../parts/secret";
import { resets } from "../state/images";
import { user } from "../state/session";
import { fill, formatDate, texts } from "../texts";

type Token = Schemas["Token"];
type Ability = Schemas["Ability"];
const ABILITIES: readonly Ability[] = ["images:read", "images:write", "images:delete", "user:read"];
const LIFETIMES = [30, 90, 365];
const DAY_MS = 86_400_000;

export function Tokens() {
  const t = texts().tokens;
  const [tokens, setTokens] = useState<readonly Token[]>();
  const [error, setError] = useState<unknown>();
  const load = (): void => {
    setError(undefined);
    bodyOf(api.GET("/api/user/tokens")).then((answer) => setTokens(answer.data.tokens), setError);
  };
  useEffect(load, [resets.value]);
  return (
    <>
      <ApiTabs />
      <h1>{t.title}</h1>
      <p>{t.explain}</p>
      <Failure error={error} onRetry={load} />
      <Creation onCreated={load} />
      <section class="card">
        {tokens?.length === 0 && <p class="quiet">{t.empty}</p>}
        <ul class="lines">
          {tokens?.map((token) => (
            <Line key={token.id} token={token} onRevoked={load} />
          ))}
        </ul>
      </section>
    </>
  );
}

function Creation({ onCreated }: { onCreated: () => void }) {
  const t = texts().tokens;
  const [name, setName] = useState("");
  const [abilities, setAbilities] = useState<ReadonlySet<Ability>>(new Set(ABILITIES));
  const [days, setDays] = useState(0);
  const [proof, setProof] = useState("");
  const [text, setText] = useState("");
  const hasFactor = !!user.value?.second_factor;
  const action = useAction(async () => {
    const body = {
      name,
      abilities: ABILITIES.filter((each) => abilities.has(each)),
      ...(days && { expires_at: new Date(Date.now() + days * DAY_MS).toISOString() }),
      ...(proof && (hasFactor ? { otp: proof } : { current_password: proof })),
    };
    const answer = await bodyOf(api.POST("/api/user/tokens", { body }));
    setText(answer.data.plain_text);
    setName("");
    setProof("");
    onCreated();
  });
  const needsProof = action.error instanceof ApiError && action.error.code === "reauthentication_required";
  const [asksProof, setAsksProof] = useState(false);
  if (needsProof && !asksProof) setAsksProof(true);
  const toggle = (ability: Ability): void => {
    const changed = new Set(abilities);
    if (!changed.delete(ability)) changed.add(ability);
    setAbilities(changed);
  };
  return (
    <form class="card form" onSubmit={onSubmit(action)}>
      <Field label={t.name} name="name" value={name} onChange={setName} error={action.error} required />
      <fieldset>
        <legend>{t.may}</legend>
        {ABILITIES.map((ability) => (
          <label key={ability} class="tick">
            <input type="checkbox" checked={abilities.has(ability)} onChange={() => toggle(ability)} />
            <span>{t.abilities[ability]}</span>
          </label>
        ))}
      </fieldset>
      <label class="field">
        <span>{t.expires}</span>
        <select value={String(days)} onChange={(event) => setDays(Number(event.currentTarget.value))}>
          <option value="0">{t.never}</option>
          {LIFETIMES.map((each) => (
            <option key={each} value={String(each)}>
              {fill(t.days, { n: each })}
            </option>
          ))}
        </select>
      </label>
      {asksProof && (
        <Field
          label={hasFactor ? texts().signIn.otp : t.password}
          name={hasFactor ? "otp" : "current_password"}
          type={hasFactor ? "text" : "password"}
          autocomplete={hasFactor ? "one-time-code" : "current-password"}
          value={proof}
          onChange={setProof}
          error={action.error}
        />
      )}
      <Failure
        error={needsProof && !proof ? undefined : withoutFields(action.error, "name", "otp", "current_password")}
      />
      <button class="main-action" disabled={action.isRunning}>
        {t.create}
      </button>
      {text && <Secret key={text} text={text} />}
    </form>
  );
}

function Line({ token, onRevoked }: { token: Token; onRevoked: () => void }) {
  const t = texts().tokens;
  const action = useAction(async () => {
    await bodyOf(api.DELETE("/api/user/tokens/{token_id}", { params: { path: { token_id: token.id } } }));
    onRevoked();
  });
  const used = token.last_used_at ? fill(t.used, { when: formatDate(token.last_used_at, true) }) : t.unused;
  const until = `${t.expires}: ${token.expires_at ? formatDate(token.expires_at) : t.never}`;
  return (
    <li>
      <div>
        <p class="name">{token.name}</p>
        <p class="quiet">{[token.abilities.map((each) => t.abilities[each]).join(", "), until, used].join(" · ")}</p>
        <Failure error={action.error} />
      </div>
      <button class="danger" disabled={action.isRunning} onClick={action.run}>
        {t.revoke}
        <span class="only-heard"> {token.name}</span>
      </button>
    </li>
  );
}
