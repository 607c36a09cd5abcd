import { plainBlock, stateWord, tableBlock, type Block } from './block.ts';
import { isUsedUp } from './headline.ts';
import { html, type Html } from './html.ts';
import type { Facts, MemberSeen, PoolSeen, Seen } from './seen.ts';
import { NO_MARK, reservedSentence } from './small-cluster.ts';
import { count, left, namesOf } from './words.ts';

/** Each pool between its watermarks, with the time until it is empty. */
export function poolsBlock({ pools: names }: Facts, seen: Seen): Block {
  const known = new Map(seen.pools?.map((pool) => [pool.name, pool]));
  const answering = (seen.pools ?? []).filter(({ level }) => level !== null).length;
  const drain = drainOf(seen) / Math.max(1, answering);
  return tableBlock(
    {
      id: 'pools',
      title: 'Pools',
      columns: [
        { title: 'Pool' },
        { title: 'State' },
        { title: 'Keys', isFigure: true },
        { title: 'Between its watermarks' },
        { title: 'Low', isFigure: true },
        { title: 'High', isFigure: true },
        { title: 'Empty in', isFigure: true },
        { title: 'Not used by' },
      ],
    },
    names.map((name) => {
      const pool = known.get(name);
      const marks = seen.cluster?.watermarks.get(name);
      const [state, word] = stateOfPool(pool, marks?.low);
      return {
        name,
        cells: [
          name,
          stateWord(state, word),
          count(pool?.level),
          meter(pool?.level ?? null, marks),
          count(marks?.low),
          count(marks?.high),
          pool?.level === null || pool?.level === undefined || drain <= 0
            ? undefined
            : left(pool.level / drain),
          namesOf(unusedBy(name, seen.members)) || undefined,
        ],
        ...(state === 'bad' && { state: 'alarming' }),
      };
    }),
  );
}

/**
 * Keys per second that leave the pools: as a holder measures it, or, if none does, as many as links are
 * made.
 */
export function drainOf({ members = [] }: Seen): number {
  const measured = members.flatMap(({ drain }) => drain ?? []);
  if (measured.length > 0) return Math.max(...measured);
  return members.reduce((sum, { rates }) => sum + (rates?.perSecond.created ?? 0), 0);
}

function stateOfPool(
  pool: PoolSeen | undefined,
  low: number | undefined,
): ['good' | 'warn' | 'bad' | 'unknown', string] {
  if (pool === undefined) return ['unknown', 'not read yet'];
  if (pool.problem !== null) return ['bad', 'not used'];
  if (pool.level === null) return ['bad', 'no answer'];
  if (pool.level === 0) return ['bad', 'empty'];
  if (pool.isSlow) return ['warn', 'slow'];
  return low !== undefined && pool.level <= low ? ['warn', 'low'] : ['good', 'ok'];
}

/** A bar up to the high watermark, with a line at the low one. What it says stands in the columns beside. */
function meter(level: number | null, marks: { low: number; high: number } | undefined): Html | undefined {
  if (level === null || marks === undefined || marks.high <= 0) return undefined;
  const widthOf = (keys: number): number => Math.round(Math.min(1, keys / marks.high) * 100);
  return html`<svg
    class="meter${level <= marks.low && html` low`}"
    aria-hidden="true"
    viewBox="0 0 100 10"
    preserveAspectRatio="none"
  >
    <rect class="level" x="0" y="0" width="${widthOf(level)}" height="10" />
    <rect class="mark" x="${widthOf(marks.low)}" y="0" width="1" height="10" />
  </svg>`;
}

/** The urls servers with their slots, and every other store whose breaker is open somewhere. */
export function storesBlock({ urlsDbs, pools }: Facts, { members = [] }: Seen): Block {
  const served = new Set([
    ...pools,
    ...urlsDbs.flatMap(({ name }) => [name, `${name} writes`, `${name} own links`]),
  ]);
  const others = [...new Set(members.flatMap(({ unusable }) => unusable))].filter(
    (name) => !served.has(name),
  );
  const mappers = members.filter(({ kind, problem }) => kind === 'mapper' && problem === null);
  return tableBlock(
    {
      id: 'stores',
      title: 'Urls servers and breakers',
      columns: [
        { title: 'Store' },
        { title: 'Slots' },
        { title: 'Reads' },
        { title: 'New links' },
        { title: 'Links of owners' },
      ],
    },
    [
      ...urlsDbs.map(({ name, slots }) => ({
        name,
        cells: [
          name,
          slots,
          breaker(unusedBy(name, mappers), mappers.length),
          breaker(
            [...new Set([...unusedBy(name, mappers), ...unusedBy(`${name} writes`, mappers)])],
            mappers.length,
          ),
          breaker(
            [
              ...new Set(
                [name, `${name} writes`, `${name} own links`].flatMap((part) => unusedBy(part, mappers)),
              ),
            ],
            mappers.length,
          ),
        ],
      })),
      ...others.sort().map((name) => ({
        name: name.replaceAll(' ', '-'),
        cells: [name, undefined, breaker(unusedBy(name, members), members.length), undefined, undefined],
      })),
    ],
  );
}

/** Who has opened his breaker. */
function breaker(ids: readonly string[], all: number): Html {
  if (all === 0) return stateWord('unknown', 'nobody reports');
  if (ids.length === 0) return stateWord('good', all === 1 ? 'ok' : `ok for all ${all}`);
  return stateWord('bad', ids.length === all ? 'not used by anybody' : `not used by ${namesOf(ids)}`);
}

function unusedBy(store: string, members: readonly MemberSeen[] = []): string[] {
  return members.filter(({ unusable }) => unusable.includes(store)).map(({ id }) => id);
}

/** How far the ids of the counter are given out. */
export function counterBlock({ counter }: Seen): Block {
  const state =
    counter === undefined
      ? 'Not read yet.'
      : counter.reserved === null
        ? html`${stateWord('bad', 'no answer')} ${NO_MARK}`
        : html`${isUsedUp(counter) ? stateWord('bad', 'used up') : stateWord('good', 'in use')}
          ${reservedSentence(count(counter.reserved), count(counter.capacity))}`;
  return plainBlock(
    'counter',
    html`<section id="counter" aria-labelledby="counter-title">
      <h2 id="counter-title">Keys by counter</h2>
      <p>${state}</p>
    </section>`,
  );
}

/** The servers of the ensemble. */
export function zookeeperBlock({ cluster, zookeeper = [] }: Seen): Block {
  const isWiped = cluster !== undefined && cluster.problem === null && cluster.ensemble === null;
  return tableBlock(
    {
      id: 'zookeeper',
      title: 'ZooKeeper',
      note: html`<p class="quiet">
        ${
          cluster === undefined
            ? 'Not read yet.'
            : cluster.problem !== null
              ? html`${stateWord('bad', 'no session')} Locks and members are those of before:
                ${cluster.problem}`
              : isWiped
                ? html`${stateWord('bad', 'no ensemble id')} It is new, or it was wiped.`
                : html`${stateWord('good', 'in session')} Ensemble ${cluster.ensemble}`
        }
      </p>`,
      columns: [{ title: 'Server' }, { title: 'State' }, { title: 'Connections', isFigure: true }],
    },
    zookeeper.map(({ name, mode, connections }) => ({
      name: name.replace(/[^\w.-]/g, '-'),
      cells: [
        name,
        mode === null
          ? stateWord('bad', 'no answer')
          : stateWord(mode === 'not serving' ? 'bad' : 'good', mode),
        count(connections),
      ],
      ...(mode === null && { state: 'alarming' }),
    })),
  );
}
