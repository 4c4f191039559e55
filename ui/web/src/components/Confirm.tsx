import { Alert, Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { createContext, useCallback, useContext, useState, type ReactNode } from "react";
import { useText } from "../text";
import { Trouble } from "./States";

type Question = {
  title: string;
  // destroys names what will be gone.
  destroys: ReactNode;
  action: string;
  // type is a name to be typed before: for what cannot be had back.
  type?: string;
  undo?: boolean; // it can be undone
  // act does it; what it throws is shown, and the question stays.
  act: () => Promise<unknown>;
};

const Context = createContext<(question: Question) => void>(() => {});

// useConfirm asks before something is destroyed.
export const useConfirm = () => useContext(Context);

// ConfirmProvider has the place where questions are asked.
export function ConfirmProvider({ children }: { children: ReactNode }) {
  const [question, setQuestion] = useState<Question>();
  const [open, setOpen] = useState(false);
  const ask = useCallback((q: Question) => {
    setQuestion(q);
    setOpen(true);
  }, []);
  return (
    <Context value={ask}>
      {children}
      <Modal opened={open} onClose={() => setOpen(false)} title={question?.title} keepMounted={false}>
        {question && <Asked question={question} close={() => setOpen(false)} />}
      </Modal>
    </Context>
  );
}

function Asked({ question, close }: { question: Question; close: () => void }) {
  const t = useText();
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const act = async () => {
    setBusy(true);
    try {
      await question.act();
      close();
    } catch (e) {
      setError(e);
      setBusy(false);
    }
  };
  return (
    <Stack>
      <Text component="div" size="sm">
        {question.destroys}
      </Text>
      {!question.undo && (
        <Alert color="orange" variant="light">
          {t.common.noUndo}
        </Alert>
      )}
      {question.type && <TextInput label={t.common.typeToConfirm(question.type)} value={typed} onChange={(e) => setTyped(e.currentTarget.value)} autoComplete="off" data-autofocus />}
      {error !== undefined && <Trouble error={error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>
          {t.common.cancel}
        </Button>
        <Button color="red" loading={busy} disabled={question.type !== undefined && typed !== question.type} onClick={() => void act()}>
          {question.action}
        </Button>
      </Group>
    </Stack>
  );
}
