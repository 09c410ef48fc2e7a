import { useState } from "preact/hooks";
import { bodyOf } from "../api/client";
import { operators } from "../operators/client";
import { AccountForm, type NewAccount } from "../parts/account-form";
import { signedInAs } from "../state/session";
import { texts } from "../texts";

/** Makes the first operator of a fresh installation, and signs in. */
export function FirstRun() {
  const t = texts().firstRun;
  const [code, setCode] = useState("");
  const create = async (account: NewAccount): Promise<void> => {
    const body = { code, ...account };
    signedInAs((await bodyOf(operators.POST("/api/admin/first-run", { body }))).data);
  };
  return (
    <>
      <p>{t.explain}</p>
      <AccountForm create={create} first={{ label: t.code, name: "code", value: code, onChange: setCode }} />
    </>
  );
}
