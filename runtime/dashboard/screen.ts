import { alarmsOf, missingIn, silentParts } from './alarms.ts';
import type { Block } from './block.ts';
import { html } from './html.ts';
import { alarmsBlock, figuresBlock, mappersBlock, producersBlock } from './member-blocks.ts';
import type { Facts, Seen, TimelineEvent } from './seen.ts';
import { eventsBlock, missingBlock, sentencesOf, shardsBlock } from './shard-blocks.ts';
import { poolsBlock, storesBlock, zookeeperBlock } from './store-blocks.ts';

/** The blocks of the page, in their order. Pure. */
export function blocksOf(
  facts: Facts,
  seen: Seen,
  events: readonly TimelineEvent[],
  nowMs: number,
): readonly Block[] {
  const { hasZooKeeper, keySource } = facts;
  const missing = missingIn(facts);
  const isRead = seen.members !== undefined && (seen.cluster !== undefined || !hasZooKeeper);
  return [
    alarmsBlock(alarmsOf(seen), silentParts(seen), isRead),
    ...(missing.length === 0 ? [] : [missingBlock(missing)]),
    figuresBlock(facts, seen),
    ...(facts.shards.length === 0 ? [] : [shardsBlock(facts, seen, events, nowMs)]),
    ...(keySource === 'pools' ? [poolsBlock(facts, seen)] : []),
    eventsBlock(events),
    ...(facts.shards.length === 0 ? [] : [producersBlock(seen)]),
    mappersBlock(facts, seen),
    storesBlock(facts, seen),
    ...(hasZooKeeper ? [zookeeperBlock(seen)] : []),
  ];
}

/** The blocks as they were drawn, with all that is needed to send only what is new the next time. */
export interface Drawn {
  /** By id, in their order. */
  readonly blocks: ReadonlyMap<string, DrawnBlock>;
}

interface DrawnBlock {
  /** The block without its rows. */
  readonly shell: string;
  readonly rows: ReadonlyMap<string, string>;
  readonly whole: () => string;
}

export function draw(blocks: readonly Block[]): Drawn {
  return {
    blocks: new Map(
      blocks.map(({ id, frame, rows }) => [
        id,
        {
          shell: frame(rows.map(() => EMPTY)).text,
          rows: new Map(rows.map((row) => [row.id, row.html.text])),
          whole: () => frame(rows.map((row) => row.html)).text,
        },
      ]),
    ),
  };
}

const EMPTY = html``;

/** What the script of the page replaces: whole elements, by their id. */
export type Patch = Readonly<Record<string, string>>;

/** From one drawing to the next. A block with the same rows as before gets only those that changed. Pure. */
export function patchOf(before: Drawn, after: Drawn): Patch {
  const patch: Record<string, string> = {};
  for (const [id, block] of after.blocks) {
    const old = before.blocks.get(id);
    const isSame = old !== undefined && old.shell === block.shell && hasSameIds(old.rows, block.rows);
    if (!isSame) patch[id] = block.whole();
    else for (const [row, text] of block.rows) if (old.rows.get(row) !== text) patch[row] = text;
  }
  return patch;
}

/** Everything, for a page that may have missed something. */
export function wholePatch(drawn: Drawn): Patch {
  return Object.fromEntries([...drawn.blocks].map(([id, { whole }]) => [id, whole()]));
}

function hasSameIds(a: DrawnBlock['rows'], b: DrawnBlock['rows']): boolean {
  if (a.size !== b.size) return false;
  const ids = a.keys();
  return b.keys().every((id) => id === ids.next().value);
}

/** What is worth saying aloud: what has happened since `sinceMs`, from the oldest. */
export function newsOf(events: readonly TimelineEvent[], sinceMs: number): string[] {
  return sentencesOf(events)
    .filter(({ atMs }) => atMs > sinceMs)
    .slice(0, 5)
    .map(({ part, sentence }) => `${part} ${sentence}`)
    .toReversed();
}
