import { texts } from "../texts";
import { Tabs } from "./tabs";

/** The place for people who write programs: tokens and webhooks. */
export function ApiTabs() {
  const t = texts();
  return (
    <Tabs
      label={t.places.api}
      pages={[
        ["/console/tokens", t.tokens.title],
        ["/console/webhooks", t.webhooks.title],
      ]}
    />
  );
}
