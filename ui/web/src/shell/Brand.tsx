import { Text } from "@mantine/core";
import { useText } from "../text";
import classes from "./frame.module.css";

// Brand is the product's sign and name, with that of the site.
export function Brand({ site }: { site?: string }) {
  const t = useText();
  return (
    <>
      <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true" style={{ flex: "none" }}>
        <path d="M16 3v13M10.5 11.5 16 17l5.5-5.5" className={classes.arrow} />
        <path d="M3 21c3.5 0 3.5 2.5 6.5 2.500S13 21 16 21s3.5 2.5 6.5 2.500S26 21 29 21" className={classes.wave} />
        <path d="M3 27c3.5 0 3.5 2.5 6.5 2.500S13 27 16 27s3.5 2.5 6.5 2.500S26 27 29 27" className={classes.wave} />
      </svg>
      <Text fw={700} size="lg" span>
        {t.common.appliance}
      </Text>
      {site && (
        <Text c="dimmed" span truncate>
          {site}
        </Text>
      )}
    </>
  );
}
