import { useState } from "preact/hooks";
import { bodyOf } from "../api/client";
import { confirmed, useAction } from "../parts/action";
import { Choice } from "../parts/choice";
import { Failure } from "../parts/failure";
import { Field } from "../parts/field";
import { Pages, usePaged } from "../parts/paged";
import { ProofField, useProof, withoutProof } from "../parts/proof";
import { user } from "../state/session";
import { fill, formatDate, texts } from "../texts";
import { type Operators, operators } from "./client";
import { PlanForm } from "./plan-form";
import { operatorTexts } from "./texts";

type ManagedUser = Operators["ManagedUser"];

export function Users() {
  const t = operatorTexts();
  const [search, setSearch] = useState("");
  const [status, setStatus] = useState("");
  const { page, error, reload, turnTo } = usePaged(
    (paging) => {
      const query = { ...paging, search, ...(status && { status }) };
      return bodyOf(operators.GET("/api/admin/users", { params: { query } }));
    },
    `${status} ${search}`,
  );
  return (
    <>
      <div class="row">
        <Field label={t.search} name="search" value={search} onChange={setSearch} />
        <Choice
          label={texts().history.filter}
          choices={[["", t.everybody], ...Object.entries(t.states)]}
          value={status}
          onChange={setStatus}
        />
      </div>
      <Failure error={error} onRetry={reload} />
      <section class="card" aria-busy={!page}>
        {page?.data.length === 0 && <p class="quiet">{t.nothing}</p>}
        <ul class="lines">
          {page?.data.map((each) => (
            <Line key={each.id} found={each} onChange={reload} />
          ))}
        </ul>
      </section>
      <Pages page={page} onTurn={turnTo} />
    </>
  );
}

function Line({ found, onChange }: { found: ManagedUser; onChange: () => void }) {
  const t = operatorTexts();
  const one = { params: { path: { user_id: found.id } } };
  const usage = found.limit === null ? t.usedFreely : t.used;
  const facts = [
    found.is_operator && t.operator,
    !found.email_verified_at && t.states.unverified,
    found.blocked_at && t.states.blocked,
    `${t.plan}: ${found.plan}`,
    fill(usage, { used: found.used, limit: found.limit ?? "" }),
    found.subscription_status === "past_due" && t.isUnpaid,
    found.subscription_status === "trialing" &&
      found.trial_ends_at &&
      fill(t.onTrial, { when: formatDate(found.trial_ends_at) }),
    found.subscription_ends_at && fill(t.endsAt, { when: formatDate(found.subscription_ends_at) }),
    formatDate(found.created_at),
  ];
  const verify = useAction(async () => {
    await bodyOf(operators.POST("/api/admin/users/{user_id}/verify", one));
    onChange();
  });
  const block = useAction(async () => {
    const path = found.blocked_at ? "/api/admin/users/{user_id}/unblock" : "/api/admin/users/{user_id}/block";
    await bodyOf(operators.POST(path, one));
    onChange();
  });
  const proof = useProof();
  const factor = useAction(async () => {
    const body = proof.fields;
    await bodyOf(operators.DELETE("/api/admin/users/{user_id}/second-factor", { ...one, body }));
    onChange();
  });
  const name = <span class="only-heard"> {found.email}</span>;
  const [isChanging, setIsChanging] = useState(false);
  return (
    <li>
      <div>
        <p class="name breaks">{found.email}</p>
        <p>{found.name}</p>
        <p class={found.blocked_at ? "bad quiet" : "quiet"}>{facts.filter(Boolean).join(" · ")}</p>
        <ProofField proof={proof} error={factor.error} />
        <Failure error={verify.error ?? block.error ?? withoutProof(factor.error, proof)} />
      </div>
      <div class="row">
        <a class="button plain" href={`/console/operators/audit?user=${found.id}`}>
          {t.audit}
          {name}
        </a>
        <button aria-expanded={isChanging} onClick={() => setIsChanging(!isChanging)}>
          {t.planAndQuota}
          {name}
        </button>
        {!found.email_verified_at && (
          <button disabled={verify.isRunning} onClick={verify.run}>
            {t.verify}
            {name}
          </button>
        )}
        {found.second_factor && (
          <button disabled={factor.isRunning} onClick={confirmed(fill(t.confirmFactor, { email: found.email }), factor.run)}>
            {t.resetFactor}
            {name}
          </button>
        )}
        {found.id !== user.value?.id && (
          <button
            class={found.blocked_at ? "" : "danger"}
            disabled={block.isRunning}
            onClick={found.blocked_at ? block.run : confirmed(fill(t.confirmBlock, { email: found.email }), block.run)}
          >
            {found.blocked_at ? t.unblock : t.block}
            {name}
          </button>
        )}
      </div>
      {isChanging && <PlanForm found={found} onChange={onChange} />}
    </li>
  );
}
