import { defaultRangeExtractor, type Range } from "@tanstack/react-virtual";
import { useCallback, useState } from "react";

type Place = { offset: number; active: number };

// Where one was in grids: to be there again after a look at a row. The oldest is
// forgotten.
const places = new Map<string, Place>();
const most = 30;

function placeOf(name: string | undefined): Place {
  if (name === undefined) return { offset: 0, active: 0 };
  const place = places.get(name) ?? { offset: 0, active: 0 };
  places.delete(name);
  places.set(name, place);
  const [oldest] = places.keys();
  if (places.size > most && oldest !== undefined) places.delete(oldest);
  return place;
}

// useRemembered has the active row of a grid, and how far it was scrolled before.
export function useRemembered(name: string | undefined) {
  const [place] = useState(() => placeOf(name));
  const [before] = useState(place.offset);
  const [active, show] = useState(place.active);
  const setActive = useCallback(
    (index: number) => {
      place.active = index;
      show(index);
    },
    [place],
  );
  const scrolled = useCallback(
    (offset: number) => {
      place.offset = offset;
    },
    [place],
  );
  return { offset: before, active, setActive, scrolled };
}

// activeRange are the rows in sight, and the active one wherever it is: the focus
// must not be lost with it.
export function activeRange(range: Range, active: number): number[] {
  const shown = defaultRangeExtractor(range);
  if (active >= range.count || shown.includes(active)) return shown;
  return [...shown, active].sort((a, b) => a - b);
}
