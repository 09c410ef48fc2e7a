import { Tabs } from "../parts/tabs";
import { needsSecondFactor } from "../state/operator";
import { texts } from "../texts";
import { factorTexts } from "../texts/factor";
import { InstallationAudit } from "./audit";
import { DeadLetters, FailingWebhooks } from "./lists";
import { Settings } from "./settings";
import { Queue, Storage } from "./states";
import { operatorTexts } from "./texts";
import { Users } from "./users";

const PAGES = {
  users: Users,
  audit: InstallationAudit,
  queue: Queue,
  letters: DeadLetters,
  storage: Storage,
  webhooks: FailingWebhooks,
  settings: Settings,
} as const;

/** The pages of operators. The API refuses everybody else. */
export function OperatorPages({ page = "users" }: { page?: string }) {
  const t = operatorTexts();
  const name = page in PAGES ? (page as keyof typeof PAGES) : "users";
  const Page = PAGES[name];
  return (
    <>
      <Tabs
        label={texts().places.operators}
        pages={Object.keys(PAGES).map((each) => [`/console/operators/${each}`, t[each as keyof typeof PAGES]])}
      />
      <h1>{t[name]}</h1>
      {needsSecondFactor.value ? (
        <p class="notice">
          {t.needsFactor} <a href="/console/account">{factorTexts().title}</a>
        </p>
      ) : (
        <Page />
      )}
    </>
  );
}
