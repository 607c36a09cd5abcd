import type { Command } from 'commander';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { ONE_JSON_DOCUMENT, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { ANY_KEY, helpWithDash, parseKey } from './given-key.ts';
import { Inquiry } from './sources/ask.ts';
import { findCluster } from './sources/find-cluster.ts';
import {
  findInMappers,
  findInPools,
  findLink,
  findOrigin,
  type Link,
  type Origin,
} from './sources/key-traces.ts';

/** How far a key has come. */
type Life =
  | 'bound'
  | 'reserved'
  | 'pooled'
  | 'pending'
  | 'unused'
  | 'missing'
  | 'written off'
  | 'unknown'
  | 'never issued';

interface Whereabouts {
  readonly key: string;
  readonly life: Life;
  /** The pool, mapper or urls database where it is; null when it is in none. */
  readonly place: string | null;
  /** The keys-db that generates it, or `counter`; null for a name that none generates, such as an alias. */
  readonly keysDb: string | null;
  readonly id: number | null;
  readonly slot: number;
  readonly urlsDb: string;
  readonly link: Link | null;
  /** Redirects that the mappers have counted and stored; null when there is no link. */
  readonly clicks: number | null;
  readonly unreachable: readonly string[];
}

export function addWhereCommand(program: Command, terminal: Terminal): void {
  program
    .command('where')
    .description(
      'Finds one key or alias: the keys-db (or the counter) that gives it out and its id, how far it has come (unused, pending, pooled, ' +
        'reserved, bound), its slot, its link and its clicks.',
    )
    .addHelpText('after', helpWithDash('where'))
    .argument('<key>', ANY_KEY)
    .option('--json', ONE_JSON_DOCUMENT)
    .helpOption('--help', 'show help')
    .allowUnknownOption()
    .action(async (given: string, { json }: { json?: true }) => {
      const key = parseKey(given);
      const { config } = findCluster(terminal.env);
      const keyspace = createKeyspace(config.stores.keys);
      const inquiry = new Inquiry();
      const [{ urlsDb, link, clicks }, origin, pool, mapper] = await Promise.all([
        findLink(inquiry, config.stores, key),
        findOrigin(inquiry, config.stores, { keyspace, key }),
        findInPools(inquiry, config.stores.redis, key),
        findInMappers(inquiry, config, { keyspace, key }),
      ]);
      const { unreachable } = inquiry;
      const whereabouts: Whereabouts = {
        key,
        ...judge({ urlsDb, link, origin, pool, mapper, isCertain: unreachable.length === 0 }),
        keysDb: origin?.keysDb ?? null,
        id: origin?.id ?? null,
        slot: slotOf(key),
        urlsDb,
        link,
        clicks,
        unreachable,
      };
      if (json) printJson(terminal, whereabouts);
      else printLines(terminal, describe(whereabouts, origin));
      inquiry.report(terminal);
    });
}

interface Traces {
  readonly urlsDb: string;
  readonly link: Link | null;
  readonly origin: Origin | undefined;
  readonly pool: string | undefined;
  readonly mapper: string | undefined;
  /** Every source answered, so a key that was not found exists nowhere. */
  readonly isCertain: boolean;
}

/** Checks the places from the last one to the first: the furthest place is where the key is. */
function judge({ urlsDb, link, origin, pool, mapper, isCertain }: Traces): {
  life: Life;
  place: string | null;
} {
  if (link) return { life: 'bound', place: urlsDb };
  if (mapper !== undefined) return { life: 'reserved', place: mapper };
  if (pool !== undefined) return { life: 'pooled', place: pool };
  if (origin?.stage === 'pending') return { life: 'pending', place: origin.pool ?? null };
  if (origin?.stage === 'unused') return { life: 'unused', place: origin.keysDb };
  if (!isCertain) return { life: 'unknown', place: null };
  if (origin?.stage === 'written off') return { life: 'written off', place: null };
  return { life: origin?.stage === 'issued' ? 'missing' : 'never issued', place: null };
}

const MEANING: Record<Life, string> = {
  bound: 'bound to a link',
  reserved: 'held ready by a mapper',
  pooled: 'ready in a pool',
  pending: 'claimed, on the way to a pool',
  unused: 'not issued yet',
  missing: 'issued, and found nowhere; the audit counts it as leaked, and it will be recycled',
  'written off': 'found nowhere; it may have been published, so it is never given to another link',
  unknown: 'not found, but some source did not answer',
  'never issued': 'this cluster has no such key and no link with this name',
};

function describe(found: Whereabouts, origin: Origin | undefined): string[] {
  const rows: [string, string | undefined][] = [
    ['key', found.key],
    ['life', `${found.life}: ${MEANING[found.life]}`],
    ['place', found.place ?? undefined],
    [
      'keys-db',
      found.keysDb === null
        ? undefined
        : `${found.keysDb}, id ${found.id}${origin?.stage === 'never' ? ' (no such row)' : ''}`,
    ],
    ['slot', `${found.slot} on ${found.urlsDb}`],
    [
      'links to',
      found.link === null ? undefined : (found.link.originalUrl ?? '(deleted; the key stays bound)'),
    ],
    ['clicks', found.clicks?.toString()],
    ['created', found.link?.createdAt],
    ['expires', found.link?.expiresAt ?? undefined],
    ['deleted', found.link?.deletedAt ?? undefined],
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(9)} ${value}`]));
}
