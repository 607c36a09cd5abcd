import { slotOf } from '../../db/keyspace/placement.ts';
import { chunksOf } from '../../db/mysql/chunks.ts';
import type { Outcome, RefusedLink, TakenLink } from '../import/outcome.ts';
import { requestIdOf } from './import-identity.ts';
import type { LinkImportOptions } from './link-import.ts';
import { serverAt } from './ports.ts';
import { toConflict } from './stored-outcome.ts';
import { untilAnswered } from './until-answered.ts';

const CODES_AT_ONCE = 1_000;

/**
 * Looks which codes of a file are taken, without storing anything. A link of the same import is none.
 * @returns the first `max` of them, in the order of the file
 * @throws StoreUnavailableError when a server stays away; the reason of the signal
 */
export async function findTakenCodes(
  outcomes: AsyncIterable<readonly Outcome[]>,
  max: number,
  options: LinkImportOptions,
): Promise<RefusedLink[]> {
  const found: RefusedLink[] = [];
  for await (const some of outcomes) {
    const coded = some.filter((outcome) => 'link' in outcome && outcome.link.code !== null) as TakenLink[];
    for (const links of chunksOf(coded, CODES_AT_ONCE)) found.push(...(await findTaken(links, options)));
    if (found.length >= max) break;
  }
  return found.slice(0, max);
}

async function findTaken(
  links: readonly TakenLink[],
  { ports, order, signal }: LinkImportOptions,
): Promise<RefusedLink[]> {
  const groups = Map.groupBy(links, ({ link }) => serverAt(ports.servers, slotOf(link.code ?? '')));
  const holders = await Promise.all(
    Array.from(groups, async ([{ imports }, group]) =>
      untilAnswered(async () => imports.findHolders(group.map(({ link }) => link.code ?? '')), {
        patienceMs: order.patienceMs,
        now: ports.now,
        signal,
      }),
    ),
  );
  const heldBy = new Map(holders.flat().map(({ key, requestId }) => [key, requestId]));
  return links.flatMap((taken) => {
    const holder = heldBy.get(taken.link.code ?? '');
    const isOurs = holder === requestIdOf(order.importId, taken.row, taken.part);
    return holder === undefined || isOurs ? [] : [toConflict(taken, 'taken-code')];
  });
}
