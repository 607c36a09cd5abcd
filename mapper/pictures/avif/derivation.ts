import { demand } from '../damage.ts';

/** Kinds of items that are pictures. Exif, XMP and others are metadata. */
const PICTURES = ['av01', 'grid', 'iovl', 'iden', 'tmap'];
/** Tiles of tiles of tiles. Programs write one level. */
const MAX_DEPTH = 8;

/** One item of a file refers to others. */
export interface Reference {
  readonly kind: string;
  readonly from: number;
  readonly to: readonly number[];
}

/** What the primary picture is drawn from: its tiles, its transparency, its gain map. */
export interface Derivation {
  readonly primary: number;
  /** All of it. Thumbnails and other pictures in the file are shown by nobody. */
  readonly shown: ReadonlySet<number>;
  /** The items that an item is drawn from, in order. The same one may come again. */
  readonly sourcesOf: ReadonlyMap<number, readonly number[]>;
  /** Transparency and gain maps. */
  readonly aids: readonly number[];
}

export function readDerivation(
  primary: number,
  items: ReadonlyMap<number, { readonly type: string }>,
  references: readonly Reference[],
): Derivation {
  const isPicture = (id: number): boolean => PICTURES.includes(items.get(id)?.type ?? '');
  const derived = references.filter(({ kind }) => kind === 'dimg');
  const sourcesOf = new Map(
    [...Map.groupBy(derived, ({ from }) => from)].map(
      ([id, own]) => [id, own.flatMap(({ to }) => to).filter(isPicture)] as const,
    ),
  );
  const aidsOf = Map.groupBy(
    references
      .filter(({ kind, from }) => kind === 'auxl' || (kind === 'dimg' && items.get(from)?.type === 'tmap'))
      .flatMap(({ from, to }) => to.map((id) => ({ from, id }))),
    ({ id }) => id,
  );
  const shown = new Set<number>();
  const aids = new Set<number>();
  const wanted = [primary];
  for (let id = wanted.pop(); id !== undefined; id = wanted.pop()) {
    if (shown.has(id) || !isPicture(id)) continue;
    shown.add(id);
    for (const source of sourcesOf.get(id) ?? []) wanted.push(source);
    for (const { from } of aidsOf.get(id) ?? []) {
      if (isPicture(from)) aids.add(from);
      wanted.push(from);
    }
  }
  return { primary, shown, sourcesOf, aids: [...aids] };
}

/**
 * How many pixels are decoded or drawn for it: a tile that is used twice counts twice. An aid is as large as
 * the picture at most, and counts beside it.
 * @param sizeOf pixels of one item
 * @throws DamagedPicture when items are drawn from each other
 */
export function pixelsOf({ primary, sourcesOf, aids }: Derivation, sizeOf: (item: number) => number): number {
  const known = new Map<number, number>();
  const count = (id: number, depth: number): number => {
    demand(depth < MAX_DEPTH, 'has a damaged structure');
    const before = known.get(id);
    if (before !== undefined) return before;
    const ofSources = (sourcesOf.get(id) ?? []).reduce((sum, source) => sum + count(source, depth + 1), 0);
    const pixels = Math.max(sizeOf(id), ofSources);
    known.set(id, pixels);
    return pixels;
  };
  const own = count(primary, 0);
  // A gain map is drawn together with the picture itself, which is counted already.
  const ofAids = aids.reduce((sum, id) => {
    const sources = sourcesOf.get(id) ?? [];
    const others = sources.filter((source) => source !== primary);
    return (
      sum + (others.length < sources.length ? others : [id]).reduce((all, one) => all + count(one, 0), 0)
    );
  }, 0);
  return Math.max(own, ofAids);
}
