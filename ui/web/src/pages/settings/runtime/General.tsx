import { Anchor } from "@mantine/core";
import { Link } from "react-router";
import { Page } from "../../../components/Page";
import { useText } from "../../../text";
import { SettingsForm } from "./SettingsForm";

const group = (name: string) => name.split(".")[0] ?? "";
const elsewhere = ["tls", "uploads"]; // with what they are about
const known = ["site", "registry", "media"];

// General has the settings that have no page of their own.
export default function General() {
  const t = useText().settings.general;
  const parts = [
    { title: t.site, wanted: (name: string) => group(name) === "site" },
    { title: t.registry, wanted: (name: string) => group(name) === "registry" },
    { title: t.media, wanted: (name: string) => group(name) === "media" },
    { title: t.others, wanted: (name: string) => ![...known, ...elsewhere].includes(group(name)) },
  ];
  return (
    <Page
      title={t.title}
      about={
        <>
          {t.about}{" "}
          <Anchor component={Link} to="/settings/configuration" underline="always">
            {t.whole}
          </Anchor>
        </>
      }
    >
      <SettingsForm parts={parts} />
    </Page>
  );
}
