import { lazy, Suspense, type ComponentType } from "react";
import { matchPath, Route, Routes, useLocation } from "react-router";
import { SessionProvider } from "./api/session";
import { Loading, Trouble } from "./components/States";
import { Allowed } from "./shell/Allowed";
import { Crash } from "./shell/Crash";
import { Frame } from "./shell/Frame";
import { NotFound } from "./shell/NotFound";

// Each page comes when it is asked for; the one that the address names at once, while
// the appliance is asked who this is.
const Entrance = lazy(() => import("./pages/setup"));
const Wizard = lazy(() => import("./pages/setup/Wizard"));
const pages = [
  page("/", () => import("./pages/home")),
  page("/land/*", () => import("./pages/land")),
  page("/content/*", () => import("./pages/content")),
  page("/mirrors/*", () => import("./pages/mirrors")),
  page("/clusters/*", () => import("./pages/clusters")),
  page("/hosts/*", () => import("./pages/hosts")),
  page("/jobs/*", () => import("./pages/jobs")),
  page("/audit/*", () => import("./pages/audit")),
  page("/settings/*", () => import("./pages/settings")),
  page("/account/*", () => import("./pages/account")),
];

function page(path: string, load: () => Promise<{ default: ComponentType }>) {
  if (matchPath(path, window.location.pathname)) void load().catch(() => {}); // it is tried again when it is shown
  return { path, Page: lazy(load) };
}

// App shows the entrance to who is not signed in, and the pages to who is.
export function App() {
  const area = useLocation().pathname.split("/")[1];
  return (
    <SessionProvider
      waiting={<Loading />}
      entrance={(session) => (
        <Suspense fallback={<Loading />}>
          <Entrance session={session} />
        </Suspense>
      )}
      trouble={(error, again) => (
        <main style={{ maxWidth: "40rem", margin: "4rem auto", padding: "0 1rem" }}>
          <Trouble error={error} again={again} />
        </main>
      )}
    >
      {area === "setup" ? (
        <Crash>
          <Suspense fallback={<Loading />}>
            <Wizard />
          </Suspense>
        </Crash>
      ) : (
        <Frame>
          <Crash key={area}>
            <Pages />
          </Crash>
        </Frame>
      )}
    </SessionProvider>
  );
}

function Pages() {
  return (
    <Suspense fallback={<Loading />}>
      <Routes>
        {pages.map(({ path, Page }) => (
          <Route
            key={path}
            path={path}
            element={
              <Allowed path={path}>
                <Page />
              </Allowed>
            }
          />
        ))}
        <Route path="*" element={<NotFound />} />
      </Routes>
    </Suspense>
  );
}
