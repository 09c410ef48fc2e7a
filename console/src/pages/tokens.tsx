import { useState } from "preact/hooks";
import { api, bodyOf, type Schemas } from "../api/client";
import { onSubmit, useAction } from "../parts/action";
import { ApiTabs } from "../parts/api-tabs";
import { Choice } from "../parts/choice";
import { Failure } from "../parts/failure";
import { Field } from "../parts/field";
import { ProofField, useProof, withoutProof } from "../parts/proof";
import { useRead } from "../parts/read";
import { Secret } from "../parts/secret";
import { fill, formatDate, texts } from "../texts";

type Token = Schemas["Token"];
type Ability = Schemas["Ability"];
const ABILITIES: readonly Ability[] = ["images:read", "images:write", "images:delete", "user:read"];
const LIFETIMES = [30, 90, 365];
const DAY_MS = 86_400_000;

export function Tokens() {
  const t = texts().tokens;
  const { found, error, reload } = useRead(() => bodyOf(api.GET("/api/user/tokens")));
  const tokens = found?.data.tokens;
  return (
    <>
      <ApiTabs />
      <h1>{t.title}</h1>
      <p>{t.explain}</p>
      <Failure error={error} onRetry={reload} />
      <div class="beside">
        <Creation onCreated={reload} />
        <section class="card" aria-busy={!found}>
          {tokens?.length === 0 && <p class="quiet">{t.empty}</p>}
          <ul class="lines">
            {tokens?.map((token) => (
              <Line key={token.id} token={token} onRevoked={reload} />
            ))}
          </ul>
        </section>
      </div>
    </>
  );
}

function Creation({ onCreated }: { onCreated: () => void }) {
  const t = texts().tokens;
  const [name, setName] = useState("");
  const [abilities, setAbilities] = useState<ReadonlySet<Ability>>(new Set(ABILITIES));
  const [days, setDays] = useState(0);
  const [text, setText] = useState("");
  const proof = useProof();
  const action = useAction(async () => {
    const body = {
      name,
      abilities: ABILITIES.filter((each) => abilities.has(each)),
      ...(days && { expires_at: new Date(Date.now() + days * DAY_MS).toISOString() }),
      ...proof.fields,
    };
    const answer = await bodyOf(api.POST("/api/user/tokens", { body }));
    setText(answer.data.plain_text);
    setName("");
    proof.setText("");
    onCreated();
  });
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
      <Choice
        label={t.expires}
        choices={[["0", t.never], ...LIFETIMES.map((each) => [`${each}`, fill(t.days, { n: each })] as const)]}
        value={String(days)}
        onChange={(value) => setDays(Number(value))}
      />
      <ProofField proof={proof} error={action.error} />
      <Failure error={withoutProof(action.error, proof, "name")} />
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
