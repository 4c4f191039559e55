import { Text } from "@mantine/core";
import { useMemo } from "react";
import { Link, useSearchParams } from "react-router";
import type { Schema } from "../../../api/client";
import { Section } from "../../../components/Page";
import { VirtualGrid, type GridColumn } from "../../../components/VirtualGrid";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import classes from "./images.module.css";
import { useSure } from "./useSure";
import { Why } from "./Why";

type Image = Schema<"DefinitionImage">;

const idOf = (i: Image) => `${i.name} ${i.digest}`;

// Images are all images of a definition. Why one is there is asked when it is chosen,
// which is in the address.
export function Images({ reference, images }: { reference: string; images: Image[] }) {
  const t = useText().clusters.images;
  const f = useFormat();
  const [params, setParams] = useSearchParams();
  const columns = useColumns(params.toString());
  const title = t.title(images.length, f.count(images.length));
  return (
    <Section title={title} about={images.length > 0 && t.about}>
      {images.length > 0 ? (
        <VirtualGrid label={title} rows={images} columns={columns} id={idOf} open={(i) => setParams(withImage(params, i.name), { preventScrollReset: true })} maxHeight="26rem" />
      ) : (
        <Text size="sm">{t.none}</Text>
      )}
      <Why reference={reference} image={params.get("image") ?? undefined} close={() => setParams(withImage(params), { replace: true, preventScrollReset: true })} />
    </Section>
  );
}

// withImage is the same address with an image, or with none.
function withImage(params: URLSearchParams, image?: string): URLSearchParams {
  const next = new URLSearchParams(params);
  if (image === undefined) next.delete("image");
  else next.set("image", image);
  return next;
}

function useColumns(search: string): GridColumn<Image>[] {
  const t = useText().clusters;
  const f = useFormat();
  const sure = useSure();
  return useMemo(
    () => [
      {
        head: t.images.image,
        width: "minmax(0, 1fr)",
        cell: (i, tabIndex) => (
          <Link to={`?${withImage(new URLSearchParams(search), i.name)}`} preventScrollReset tabIndex={tabIndex} className={classes.name} title={i.name}>
            {i.name}
          </Link>
        ),
      },
      { head: t.images.sure, width: "11rem", from: "medium", cell: (i) => <span title={sure(i)}>{sure(i)}</span> },
      { head: t.platforms, width: "16rem", from: "wide", cell: (i) => <span title={f.list(i.platforms ?? [])}>{f.list(i.platforms ?? [])}</span> },
    ],
    [search, t, f, sure],
  );
}
