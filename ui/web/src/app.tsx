import { lazy, Suspense, useEffect, useState, type ComponentType } from "react";
import { matchPath, Route, Routes, useLocation } from "react-router";
import { SessionProvider } from "./api/session";
import { Loading, Trouble } from "./components/States";
import { Allowed } from "./shell/Allowed";
import { Crash } from "./shell/Crash";
import { Frame } from "./shell/Frame";
import { NotFound } from "./shell/NotFound";

// first settles when the page that the address names is loaded, or cannot be.
let first: Promise<unknown> = Promise.resolve();

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

// page is a page by its path. What is loaded is shown at once: React would show that
// it waits, and then do so for 300 ms at least.
function page(path: string, load: () => Promise<{ default: ComponentType }>) {
  let loaded: ComponentType | undefined;
  const get = async () => {
    const module = await load();
    loaded = module.default;
    return module;
  };
  if (matchPath(path, window.location.pathname)) first = get().catch(() => {}); // it is tried again when it is shown
  const Late = lazy(get);
  const Page = () => {
    const [Shown] = useState<ComponentType>(() => loaded ?? Late);
    return <Shown />;
  };
  return { path, Page };
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
  const [begun, setBegun] = useState(false);
  useEffect(() => void first.then(() => setBegun(true)), []);
  if (!begun) return <Loading />;
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
