import { useEffect, useState } from "preact/hooks";
import { lazy, LocationProvider, Route, Router } from "preact-iso";
import { Compare } from "./pages/compare";
import { Door } from "./pages/door";
import { History } from "./pages/history";
import { Upscale } from "./pages/upscale";
import { Usage } from "./pages/usage";
import { Failure } from "./parts/failure";
import { Shell } from "./parts/shell";
import { SignInAgain } from "./parts/sign-in-again";
import { clear, follow, loadRecent } from "./state/images";
import { loadAccess } from "./state/operator";
import { hasEnded, loadUser, user } from "./state/session";
import { forgetUploads } from "./state/uploads";
import { texts } from "./texts";

// the first page stays small: pages that few people open are loaded when they are
const Account = lazy(() => import("./pages/account").then((page) => page.Account));
const Audit = lazy(() => import("./pages/audit").then((page) => page.Audit));
const Batches = lazy(() => import("./pages/batches").then((page) => page.Batches));
const Batch = lazy(() => import("./pages/batch").then((page) => page.Batch));
const Tokens = lazy(() => import("./pages/tokens").then((page) => page.Tokens));
const OperatorPages = lazy(() => import("./operators/operators").then((page) => page.OperatorPages));
const Webhooks = lazy(() => import("./pages/webhooks").then((page) => page.Webhooks));
const Webhook = lazy(() => import("./pages/webhook").then((page) => page.Webhook));

export function Console() {
  return (
    <LocationProvider scope="/console">
      <Inside />
    </LocationProvider>
  );
}

function Inside() {
  const [error, setError] = useState<unknown>();
  const load = (): void => {
    setError(undefined);
    loadUser().catch(setError);
  };
  useEffect(load, []);
  const id = user.value?.id;
  const isInterrupted = hasEnded.value;
  useEffect(() => {
    if (!id || isInterrupted) return undefined;
    loadAccess().catch(() => undefined); // without an answer there is no operator's place
    loadRecent().catch(() => undefined); // pages that need it say what is wrong
    return follow(() => void loadUser().catch(() => undefined));
  }, [id, isInterrupted]);
  useEffect(
    () => () => {
      clear();
      forgetUploads();
    },
    [id],
  );

  if (user.value === null) return <Door />;
  if (error) return <main><Failure error={error} onRetry={load} /></main>;
  if (!user.value) return <main aria-busy="true"><p>{texts().loading}</p></main>;
  return (
    <>
      <Shell>
        <Router>
          <Route path="/console" component={Upscale} />
          <Route path="/console/history" component={History} />
          <Route path="/console/batches" component={Batches} />
          <Route path="/console/batches/:id" component={Batch} />
          <Route path="/console/images/:id" component={Compare} />
          <Route path="/console/usage" component={Usage} />
          <Route path="/console/tokens" component={Tokens} />
          <Route path="/console/webhooks" component={Webhooks} />
          <Route path="/console/webhooks/:id" component={Webhook} />
          <Route path="/console/account" component={Account} />
          <Route path="/console/audit" component={Audit} />
          <Route path="/console/operators/:page" component={OperatorPages} />
          <Route default component={Upscale} />
        </Router>
      </Shell>
      <SignInAgain />
    </>
  );
}
