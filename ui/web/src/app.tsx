import { lazy, Suspense } from "react";
import { Route, Routes, useLocation } from "react-router";
import { SessionProvider } from "./api/session";
import { Loading, Trouble } from "./components/States";
import { Allowed } from "./shell/Allowed";
import { Crash } from "./shell/Crash";
import { Frame } from "./shell/Frame";
import { NotFound } from "./shell/NotFound";

// Each page comes when it is asked for.
const Entrance = lazy(() => import("./pages/setup"));
const Wizard = lazy(() => import("./pages/setup/Wizard"));
const pages = [
  { path: "/", Page: lazy(() => import("./pages/home")) },
  { path: "/land/*", Page: lazy(() => import("./pages/land")) },
  { path: "/content/*", Page: lazy(() => import("./pages/content")) },
  { path: "/mirrors/*", Page: lazy(() => import("./pages/mirrors")) },
  { path: "/clusters/*", Page: lazy(() => import("./pages/clusters")) },
  { path: "/hosts/*", Page: lazy(() => import("./pages/hosts")) },
  { path: "/jobs/*", Page: lazy(() => import("./pages/jobs")) },
  { path: "/audit/*", Page: lazy(() => import("./pages/audit")) },
  { path: "/settings/*", Page: lazy(() => import("./pages/settings")) },
  { path: "/account/*", Page: lazy(() => import("./pages/account")) },
];

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
