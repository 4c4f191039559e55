import { Box, Table } from "@mantine/core";
import type { ReactNode } from "react";

export type Column<T> = {
  head: ReactNode;
  // cell is what a row shows in the column.
  cell: (row: T) => ReactNode;
  end?: boolean; // at the end of the line, like numbers
  width?: number | string;
  wide?: boolean; // left out on narrow screens
};

// DataTable is a table that a page can show whole: up to some hundreds of rows. It
// scrolls sideways in its own box.
export function DataTable<T>(props: { label: string; rows: T[]; columns: Column<T>[]; id: (row: T) => string }) {
  const { label, rows, columns, id } = props;
  return (
    <Box style={{ overflowX: "auto" }} tabIndex={0} role="group" aria-label={label}>
      <Table verticalSpacing="xs" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            {columns.map((c, k) => (
              <Table.Th key={k} w={c.width} ta={c.end ? "end" : undefined} visibleFrom={c.wide ? "md" : undefined}>
                {c.head}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={id(row)}>
              {columns.map((c, k) => (
                <Table.Td key={k} ta={c.end ? "end" : undefined} visibleFrom={c.wide ? "md" : undefined}>
                  {c.cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Box>
  );
}
