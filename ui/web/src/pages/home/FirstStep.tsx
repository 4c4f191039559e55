import { Button, Text } from "@mantine/core";
import { Link } from "react-router";
import type { Schema } from "../../api/client";
import { useMay } from "../../api/session";
import { LandIcon } from "../../components/icons";
import { Section } from "../../components/Page";
import { Empty } from "../../components/States";
import { useText } from "../../text";
import { landable, useDriveName } from "./plugged";

// FirstStep is all that there is to do at a site where nothing is yet.
export function FirstStep({ drives }: { drives: Schema<"Drive">[] }) {
  const t = useText().home;
  const name = useDriveName();
  const [reads, writes] = [useMay("bundles.read"), useMay("bundles.write")];
  const drive = drives.find((d) => landable(d).length > 0);
  const may = reads && writes;
  return (
    <Section title={t.first.title}>
      <Empty
        icon={<LandIcon size={28} />}
        title={t.first.nothing}
        action={
          may && (
            <Button component={Link} to="/land" size="md" mt="sm" leftSection={<LandIcon />}>
              {t.first.action}
            </Button>
          )
        }
      >
        {may ? t.first.text : t.first.cannot}
        {drive && (
          <Text mt="xs" fw={600} c="var(--mantine-color-text)">
            {t.first.drive(name(drive))}
          </Text>
        )}
      </Empty>
    </Section>
  );
}
