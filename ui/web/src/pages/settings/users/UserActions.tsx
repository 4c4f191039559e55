import { Button, Modal } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { ask, client, ifMatch, type Schema } from "../../../api/client";
import { useConfirm } from "../../../components/Confirm";
import { Trouble } from "../../../components/States";
import { useText } from "../../../text";
import { EditUser } from "./EditUser";
import { SetPassword } from "./SetPassword";
import { useChange } from "./useChange";

type User = Schema<"User">;

// UserActions are what an administrator can do with a user.
export function UserActions({ user }: { user: User }) {
  const t = useText();
  const words = t.settings.users;
  const [open, setOpen] = useState<"edit" | "password">();
  const confirm = useConfirm();
  const disabling = useChange(user);
  const enabling = useChange(user);
  const remove = useRemove(user);
  const close = () => setOpen(undefined);
  const disable = () => confirm({ title: words.disableTitle(user.name), destroys: words.disableText, action: words.disable, undo: true, act: () => disabling.mutateAsync({ disabled: true }) });
  return (
    <>
      <Button variant="default" onClick={() => setOpen("edit")}>
        {t.common.edit}
      </Button>
      <Button variant="default" onClick={() => setOpen("password")}>
        {words.setPassword}
      </Button>
      {user.disabled ? (
        <Button variant="default" loading={enabling.isPending} onClick={() => enabling.mutate({ disabled: false })}>
          {words.enable}
        </Button>
      ) : (
        <Button variant="default" onClick={disable}>
          {words.disable}
        </Button>
      )}
      <Button color="red" variant="light" onClick={() => confirm({ title: words.deleteTitle(user.name), destroys: words.deleteText, type: user.name, action: t.common.delete, act: remove })}>
        {t.common.delete}
      </Button>
      {enabling.error && <Trouble error={enabling.error} />}
      <Modal opened={open === "edit"} onClose={close} title={words.editTitle(user.name)} size="lg" keepMounted={false}>
        <EditUser user={user} close={close} />
      </Modal>
      <Modal opened={open === "password"} onClose={close} title={words.passwordTitle(user.name)} keepMounted={false}>
        <SetPassword user={user} close={close} />
      </Modal>
    </>
  );
}

function useRemove(user: User) {
  const t = useText().settings.users;
  const cache = useQueryClient();
  const navigate = useNavigate();
  return async () => {
    await ask(client.DELETE("/api/v1/users/{id}", { params: { path: { id: user.id }, ...ifMatch(user.version) } }));
    notifications.show({ color: "teal", message: t.deleted(user.name) });
    await navigate("/settings/users");
    cache.removeQueries({ queryKey: ["users", user.id] });
    await cache.invalidateQueries({ queryKey: ["users"] });
  };
}
