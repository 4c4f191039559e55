import "./style.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { Failure } from "./api/client";
import { sessionQuery } from "./api/session";
import { App } from "./app";
import { ConfirmProvider } from "./components/Confirm";
import { Named } from "./shell/Named";
import { TextProvider } from "./text";
import { theme, variables } from "./theme";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Who is refused once is refused again; who gets no answer may get one.
      retry: (count, error) => count < 2 && error instanceof Failure && !error.problem,
      staleTime: 5_000,
      networkMode: "always", // the site's network is not the internet
    },
    mutations: { networkMode: "always" },
  },
});

void queries.prefetchQuery(sessionQuery); // while the first page is drawn

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto">
          <TextProvider>
            <Named>
              <BrowserRouter>
                <ConfirmProvider>
                  <Notifications position="bottom-right" limit={4} />
                  <App />
                </ConfirmProvider>
              </BrowserRouter>
            </Named>
          </TextProvider>
        </MantineProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}
