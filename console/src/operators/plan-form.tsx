import { useState } from "preact/hooks";
import { bodyOf } from "../api/client";
import { onSubmit, useAction } from "../parts/action";
import { Choice } from "../parts/choice";
import { Failure } from "../parts/failure";
import { Field, withoutFields } from "../parts/field";
import { useRead } from "../parts/read";
import { texts } from "../texts";
import { type Operators, operators } from "./client";
import { fieldsOf, SubscriptionFields, subscriptionOf } from "./subscription";
import { operatorTexts } from "./texts";

type ManagedUser = Operators["ManagedUser"];
type Quota = "plan" | "custom" | "unlimited";

/** Puts a user on another plan, says until when, or gives another monthly quota than the plan's. */
export function PlanForm({ found, onChange }: { found: ManagedUser; onChange: () => void }) {
  const t = operatorTexts();
  const plans = useRead(() => bodyOf(operators.GET("/api/admin/plans", { params: { query: { per_page: 100 } } })));
  const [plan, setPlan] = useState(found.plan);
  const [subscription, setSubscription] = useState(subscriptionOf(found));
  const [quota, setQuota] = useState<Quota>(quotaOf(found));
  const [images, setImages] = useState(String(found.limit ?? ""));
  const [free] = plans.found?.data ?? [];
  const isFree = free ? plan === free.slug : found.subscription_status === null;
  const isChanged = !isFree && JSON.stringify(subscription) !== JSON.stringify(subscriptionOf(found));
  const action = useAction(async () => {
    const one = { params: { path: { user_id: found.id } } };
    if (plan !== found.plan || isChanged) {
      const fields = isFree ? {} : fieldsOf(subscription, found);
      await bodyOf(operators.PUT("/api/admin/users/{user_id}/plan", { ...one, body: { plan, ...fields } }));
      onChange(); // the quota may be refused, and the next attempt must not change the plan again
    }
    if (quota !== "plan" || (found.has_custom_quota && plan === found.plan)) {
      const typed = images as unknown as number; // the API reads the text, and says what is wrong with another one
      const body = { plan: {}, custom: { images_per_month: typed }, unlimited: { unlimited: true } }[quota];
      await bodyOf(operators.PUT("/api/admin/users/{user_id}/quota", { ...one, body }));
    }
    onChange();
  });
  const shown = [...(isFree ? [] : ["ends_at", "trial_ends_at"]), ...(quota === "custom" ? ["images_per_month"] : [])];
  return (
    <form class="row end" onSubmit={onSubmit(action)}>
      <Choice
        label={t.plan}
        choices={plans.found?.data.map((each) => [each.slug, each.name] as const) ?? [[plan, plan]]}
        value={plan}
        onChange={setPlan}
      />
      {!isFree && <SubscriptionFields value={subscription} onChange={setSubscription} error={action.error} />}
      <Choice
        label={t.quota}
        choices={Object.entries(t.quotas)}
        value={quota}
        onChange={(value) => setQuota(value as Quota)}
      />
      {quota === "custom" && (
        <Field
          label={t.imagesPerMonth}
          name="images_per_month"
          isNumber
          required
          value={images}
          onChange={setImages}
          error={action.error}
        />
      )}
      <button class="main-action" disabled={action.isRunning}>
        {texts().account.save}
      </button>
      {action.isDone && <p role="status">{texts().account.saved}</p>}
      <Failure error={withoutFields(action.error, ...shown)} />
    </form>
  );
}

function quotaOf(found: ManagedUser): Quota {
  if (!found.has_custom_quota) return "plan";
  return found.limit === null ? "unlimited" : "custom";
}
