import type { Block } from './block.ts';
import { headlineOf } from './headline.ts';
import { html } from './html.ts';
import { alarmsBlock, figuresBlock, mappersBlock, producersBlock } from './member-blocks.ts';
import type { Facts, Seen, TimelineEvent } from './seen.ts';
import {
  eventsBlock,
  laneEndOf,
  missingBlock,
  sentencesOf,
  shardsBlock,
  type Sentence,
} from './shard-blocks.ts';
import { SMALL_CLUSTER } from './small-cluster.ts';
import { isOfShard } from './timeline.ts';
import { counterBlock, poolsBlock, storesBlock, zookeeperBlock } from './store-blocks.ts';

/** The blocks of the page, in their order. A block whose parts have not changed is the same object again. */
export class Screen {
  readonly #facts: Facts;
  readonly #made = new Map<string, { readonly from: readonly unknown[]; readonly block: Block }>();

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  blocksOf(seen: Seen, events: readonly TimelineEvent[], nowMs: number): readonly Block[] {
    const facts = this.#facts;
    const { cluster, keysDbs, pools, members, zookeeper, registry, counter } = seen;
    const hasShards = facts.shards.length > 0;
    const laneMs = laneEndOf(nowMs);
    const made = (name: string, from: readonly unknown[], make: () => Block): Block =>
      this.#once(name, from, make);
    return [
      alarmsBlock(headlineOf(facts, seen)),
      ...(facts.hasZooKeeper ? [] : [made('missing', [], () => missingBlock(SMALL_CLUSTER))]),
      made('figures', [pools, keysDbs, members, counter], () => figuresBlock(facts, seen)),
      ...(hasShards
        ? [
            made('shards', [cluster, keysDbs, events, laneMs], () =>
              shardsBlock(facts, seen, events, { nowMs, laneMs }),
            ),
          ]
        : []),
      ...(facts.keySource === 'pools'
        ? [made('pools', [pools, cluster, members], () => poolsBlock(facts, seen))]
        : [made('counter', [counter], () => counterBlock(seen))]),
      made('events', [events], () => eventsBlock(events)),
      ...(hasShards ? [made('producers', [cluster, members], () => producersBlock(seen))] : []),
      made('mappers', [cluster, registry, members], () => mappersBlock(facts, seen)),
      made('stores', [members], () => storesBlock(facts, seen)),
      ...(facts.hasZooKeeper ? [made('zookeeper', [cluster, zookeeper], () => zookeeperBlock(seen))] : []),
    ];
  }

  #once(name: string, from: readonly unknown[], make: () => Block): Block {
    const known = this.#made.get(name);
    if (known?.from.every((part, index) => part === from[index]) === true) return known.block;
    const block = make();
    this.#made.set(name, { from, block });
    return block;
  }
}

/** The blocks as they were drawn, with all that is needed to send only what is new the next time. */
export interface Drawn {
  /** By id, in their order. */
  readonly blocks: ReadonlyMap<string, DrawnBlock>;
}

interface DrawnBlock {
  readonly block: Block;
  /** The block without its rows. */
  readonly shell: string;
  readonly rows: ReadonlyMap<string, string>;
  readonly whole: () => string;
}

/** @param before what has not changed since then is not drawn again */
export function draw(blocks: readonly Block[], before?: Drawn): Drawn {
  return {
    blocks: new Map(
      blocks.map((block) => {
        const { id, frame, rows } = block;
        const old = before?.blocks.get(id);
        if (old?.block === block) return [id, old];
        const drawn = {
          block,
          shell: frame(rows.map(() => EMPTY)).text,
          rows: new Map(rows.map((row) => [row.id, row.html.text])),
          whole: () => frame(rows.map((row) => row.html)).text,
        };
        return [id, drawn];
      }),
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
    if (old === block) continue;
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

/**
 * What is worth saying aloud: what has happened since `sinceMs`, from the oldest.
 * @param added events that came since then. Another process may tell of a store's change late, when it was
 *   before `sinceMs`
 */
export function newsOf(
  events: readonly TimelineEvent[],
  sinceMs: number,
  added: readonly TimelineEvent[],
): string[] {
  const isAdded = ({ part, atMs }: Sentence): boolean =>
    added.some((event) => event.subject === part && event.atMs === atMs && !isOfShard(event.kind));
  return sentencesOf(events)
    .filter((sentence) => sentence.atMs > sinceMs || isAdded(sentence))
    .slice(0, 5)
    .map(({ part, sentence }) => `${part} ${sentence}`)
    .toReversed();
}
