import { bodyOf } from "../api/client";
import { Failure } from "../parts/failure";
import { useRead } from "../parts/read";
import { type Operators, operators } from "./client";
import { operatorTexts } from "./texts";

type Setting = Operators["SettingInForce"];
const MOST_PER_PAGE = 100;

/** The settings in force, service by service. */
export function Settings() {
  const t = operatorTexts();
  const { found, error, reload } = useRead(readAll);
  const services = [...new Set(found?.map((setting) => setting.service))];
  return (
    <>
      <p class="quiet">{t.settingsExplain}</p>
      <Failure error={error} onRetry={reload} />
      <div class="stack" aria-busy={!found}>
        {services.map((service) => (
          <section key={service} class="card">
            <h2>{service}</h2>
            <dl class="settings">
              {found?.filter((setting) => setting.service === service).map((setting) => (
                <div key={setting.name} class={setting.is_default ? "breaks" : "breaks changed"}>
                  <dt class={setting.is_default ? "" : "changed"}>{setting.name}</dt>
                  <dd>{setting.is_secret ? <span class="quiet">{t.secret}</span> : setting.value || "–"}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </>
  );
}

async function readAll(): Promise<readonly Setting[]> {
  const found: Setting[] = [];
  for (let page = 1, last = 1; page <= last; page += 1) {
    const query = { page, per_page: MOST_PER_PAGE };
    const answer = await bodyOf(operators.GET("/api/admin/settings", { params: { query } }));
    found.push(...answer.data);
    last = answer.meta.last_page;
  }
  return found;
}
