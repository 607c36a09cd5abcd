import { slotOf } from '../../db/keyspace/placement.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { aliasTaken, shardDown } from '../shorten/shorten-problems.ts';
import { toProblem } from './bind-keys.ts';
import type { BulkTools } from './tools.ts';
import type { OwnedRequest, Outcome } from './wish.ts';

/** A request whose link has the key that the user chose. */
export type AliasRequest = OwnedRequest & { readonly alias: string };

/**
 * Makes links with aliases, all at the same time. All mappers hear of them together, before they are
 * answered. Never rejects.
 * @returns what became of each request, in their order
 */
export async function bindAliases(requests: readonly AliasRequest[], tools: BulkTools): Promise<Outcome[]> {
  if (requests.length === 0) return [];
  const outcomes = await Promise.all(requests.map(async (request) => bindAlias(request, tools)));
  const made = outcomes.flatMap((outcome) => ('row' in outcome ? [outcome.row.key] : []));
  // This mapper or another may still have cached that an alias does not exist.
  if (made.length > 0) await tools.announce(made);
  return outcomes;
}

async function bindAlias(request: AliasRequest, { servers, rows }: BulkTools): Promise<Outcome> {
  const { alias, own } = request;
  const slot = slotOf(alias);
  const row: OwnedRow = { ...rows.create(alias, slot, request), ...own, alias: true };
  const server = servers.at(slot);
  if (!server.takes('bulk')) return { problem: shardDown() };
  try {
    const outcome = await server.writes.bulk.binder.bindAlias(row);
    return outcome === 'taken' ? { problem: aliasTaken(alias) } : { status: 201, row };
  } catch (error) {
    return { problem: error instanceof StoreUnavailableError ? shardDown(error) : toProblem(error) };
  }
}
