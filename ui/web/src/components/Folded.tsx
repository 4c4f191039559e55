import { Box, Collapse, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useId, type ReactNode } from "react";
import classes from "./folded.module.css";
import { ChevronIcon } from "./icons";

// Folded keeps what few people need out of sight until they ask for it.
export function Folded({ title, children }: { title: string; children: ReactNode }) {
  const [open, { toggle }] = useDisclosure(false);
  const id = useId();
  return (
    <Box>
      <UnstyledButton className={classes.button} onClick={toggle} aria-expanded={open} aria-controls={id}>
        <ChevronIcon size={16} className={classes.chevron} data-open={open || undefined} />
        {title}
      </UnstyledButton>
      <Collapse expanded={open} id={id} transitionDuration={120}>
        <Box pt="xs">{open && children}</Box>
      </Collapse>
    </Box>
  );
}
