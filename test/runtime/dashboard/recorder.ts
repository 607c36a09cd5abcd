import { createKeyspace } from '../../../db/keyspace/key.ts';
import { whatIsLookedAt } from '../../../mapper/dashboard.ts';
import { readMapperConfig } from '../../../runtime/config/config.ts';
import { createMapperMetrics } from '../../../mapper/metrics.ts';
import type { Seen } from '../../../runtime/dashboard/seen.ts';
import { createMetrics } from '../../../runtime/metrics.ts';
import type { Recording, Told } from './recording.ts';

export interface Recorder extends AsyncDisposable {
  /** What has been said so far. */
  readonly seen: Seen;
  /** What is written down begins now, with all that was said before. */
  begin(): void;
  recording(): Recording;
}

/** Begins to look at a cluster with the real sources of a mapper, and writes down all that they say. */
export function record(env: Readonly<Record<string, string | undefined>>): Recorder {
  const config = readMapperConfig(env);
  const keyspace = createKeyspace(config.stores.keys);
  const metrics = createMetrics();
  createMapperMetrics(metrics);
  const ready = () => ({ ok: true });
  const looked = whatIsLookedAt({ config, metrics, ready, keyspace: () => keyspace, held: async () => 0 });
  const { facts, sources, timeline } = looked;
  let startedMs = Date.now();
  let told: Told[] = [];
  let seen: Seen = {};
  const atMs = (): number => Date.now() - startedMs;
  // Only reports add to it: what a dashboard sees itself, it will see again.
  const add = timeline.add.bind(timeline);
  timeline.add = (events) => {
    add(events);
    if (events.length > 0) told.push({ atMs: atMs(), events });
  };
  const tell = (part: Seen): void => {
    seen = { ...seen, ...part };
    told.push({ atMs: atMs(), part });
  };
  const open = sources.map((source) => source(tell, () => seen));
  return {
    get seen() {
      return seen;
    },
    begin: () => {
      startedMs = Date.now();
      told = [{ atMs: 0, part: seen, events: timeline.all() }];
    },
    recording: () => ({ facts, startedMs, told: [...told] }),
    [Symbol.asyncDispose]: async () => {
      await Promise.allSettled(open.map(async (source) => source[Symbol.asyncDispose]()));
    },
  };
}
