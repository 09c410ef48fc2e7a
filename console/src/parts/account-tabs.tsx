import { texts } from "../texts";
import { Tabs } from "./tabs";

/** The place for the account: what it is, and what happened to it. */
export function AccountTabs() {
  const t = texts();
  return (
    <Tabs
      label={t.places.account}
      pages={[
        ["/console/account", t.account.profile],
        ["/console/audit", t.audit.title],
      ]}
    />
  );
}
