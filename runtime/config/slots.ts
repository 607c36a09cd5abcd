/** The number of slots, the logical shards of urls. Part of the data's layout: it never changes. */
export const SLOT_COUNT = 32;

export const ALL_SLOTS: readonly number[] = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);

/** `"0-7+16-23"` → the slots it names; undefined when it is not of that form. */
export function parseSlots(ranges: string): number[] | undefined {
  const slots: number[] = [];
  for (const range of ranges.split('+')) {
    const match = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(range);
    const first = Number(match?.[1] ?? Number.NaN);
    const last = Number(match?.[2] ?? first);
    if (!(first <= last && last < SLOT_COUNT)) return undefined;
    for (let slot = first; slot <= last; slot++) slots.push(slot);
  }
  return slots;
}

/** The shortest form that {@link parseSlots} reads. Without slots: `none`. */
export function formatSlots(slots: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const slot of slots.toSorted((a, b) => a - b)) {
    const open = ranges.at(-1);
    if (open && open[1] === slot - 1) open[1] = slot;
    else ranges.push([slot, slot]);
  }
  return (
    ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join('+') || 'none'
  );
}
