/** Whether the person is an operator, as the API says. */
import { signal } from "@preact/signals";
import { CONSOLE_HEADER } from "../api/client";

export const isOperator = signal(false);
export const needsSecondFactor = signal(false);

interface Access {
  data?: { is_operator?: boolean; needs_second_factor?: boolean };
}

export async function loadAccess(): Promise<void> {
  const answer = await fetch("/api/admin/access", { headers: CONSOLE_HEADER });
  const found = ((await answer.json()) as Access).data;
  isOperator.value = found?.is_operator ?? false;
  needsSecondFactor.value = found?.needs_second_factor ?? false;
}
