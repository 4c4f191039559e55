import { ActionIcon, TextInput } from "@mantine/core";
import { CloseIcon, SearchIcon } from "../../components/icons";
import { useText } from "../../text";

// SearchBox is where one types what is looked for.
export function SearchBox(props: { label: string; placeholder?: string; value: string; onChange: (text: string) => void }) {
  const t = useText();
  const { label, placeholder, value, onChange } = props;
  return (
    <TextInput
      type="search"
      label={label}
      placeholder={placeholder}
      value={value}
      onChange={(e) => onChange(e.currentTarget.value)}
      onKeyDown={(e) => e.key === "Escape" && onChange("")}
      maxLength={1000}
      autoComplete="off"
      spellCheck={false}
      mb="sm"
      maw={560}
      leftSection={<SearchIcon size={16} />}
      rightSection={
        value && (
          <ActionIcon variant="subtle" color="gray" size="sm" aria-label={t.common.clear} onClick={() => onChange("")}>
            <CloseIcon size={14} />
          </ActionIcon>
        )
      }
    />
  );
}
