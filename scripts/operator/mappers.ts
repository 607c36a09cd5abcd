import { hostname } from 'node:os';
import type { Command } from 'commander';
import { isCoordinationError } from '../../coordinator/errors.ts';
import { NO_SESSION, removeMember } from '../../coordinator/membership.ts';
import { mapperPath } from '../../coordinator/paths.ts';
import { readNode } from '../../coordinator/reading.ts';
import type { Node, Session } from '../../coordinator/session.ts';
import { parseMapperMember, type MapperView } from '../../coordinator/overview/mapper-member.ts';
import { whyOutOfReach } from '../../runtime/admin-address.ts';
import { askAdmin } from '../../runtime/admin-client.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { codeOf } from '../../runtime/errors.ts';
import { parseJson } from '../../runtime/json.ts';
import { pause } from '../../runtime/retry.ts';
import { RefusedError, UsageError } from '../../runtime/terminal/errors.ts';
import {
  bare,
  note,
  ONE_JSON_DOCUMENT,
  printJson,
  printLines,
  type Terminal,
} from '../../runtime/terminal/terminal.ts';
import { mappersBlock } from './blocks.ts';
import { ASK_DEADLINE_MS, askOnly, CHANGE_DEADLINE_MS } from './sources/ask.ts';
import { withSession } from './sources/coordination.ts';
import { findCluster } from './sources/find-cluster.ts';
import { readMappers } from './sources/members.ts';
import { requireMembers } from './sources/membership.ts';
import { noteStrangers } from './sources/strangers.ts';

/** A mapper that runs registers itself again within this time. */
const REGISTERS_AGAIN_MS = 500;
const LOOK_EVERY_MS = 25;

export function addMappersCommand(program: Command, terminal: Terminal): void {
  const mappers = program
    .command('mappers')
    .description('Shows the mappers. One that no producer can ask for its keys stops the recycling.')
    .helpCommand(false)
    .option('--json', `${ONE_JSON_DOCUMENT}: {"mappers":[…],"unreachable":[]}`)
    .action(async ({ json }: { json?: true }) => showMappers(terminal, json === true));
  mappers
    .command('forget')
    .summary('remove the node of a mapper that is gone')
    .description(
      'Removes the node of a mapper that is gone for good, or of a foreign one, so that leaked keys are recycled again. ' +
        'Refused while its process answers. A mapper that stops, or whose process dies, needs no command: its node vanishes ' +
        'by itself after the session timeout.',
    )
    .argument('<id>', 'such as mapper-1')
    .option('--force', 'also when its session is alive: see below')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"forgotten":{"id","admin","persistent"}}`)
    .addHelpText(
      'after',
      '\nWith --force, keys that the mapper still holds may be recycled and then be drawn\n' +
        'twice. No link is lost or doubled, because the urls servers refuse the second one,\n' +
        'but each such key costs a draw and counts in key_duplicates_total.',
    )
    .action(async (id: string, { force, json }: { force?: true; json?: true }) =>
      forget(terminal, id, { isForced: force === true, isJson: json === true }),
    );
}

async function showMappers(terminal: Terminal, isJson: boolean): Promise<void> {
  const { config } = findCluster(terminal.env);
  const coordination = await requireMembers(config);
  const entries = await readMappers(coordination);
  if (isJson) printJson(terminal, { mappers: entries, unreachable: [] });
  else printLines(terminal, bare(mappersBlock(entries)));
  const shards = config.stores.keysDbs.map(({ name }) => name);
  noteStrangers(terminal, shards, coordination);
}

async function forget(
  terminal: Terminal,
  id: string,
  { isForced, isJson }: { isForced: boolean; isJson: boolean },
): Promise<void> {
  if (id === '' || id.includes('/'))
    throw new UsageError(`"${id}" is no mapper. Give its id, such as mapper-1`);
  const { config } = findCluster(terminal.env);
  const inSession = async <T>(work: (session: Session) => Promise<T>): Promise<T> =>
    askOnly('zookeeper', (signal) => withSession(config.zookeeper, signal, work), CHANGE_DEADLINE_MS);

  const node = await inSession((session) => readNode(session, mapperPath(id)));
  if (node === undefined) throw new RefusedError(`there is no ${mapperPath(id)}: nothing was forgotten`);
  const member = parseMapperMember(parseJson(node.data));
  await refuseIfAlive(id, node, member, isForced);

  const outcome = await inSession(async (session) => remove(session, mapperPath(id), node));
  if (outcome === 'changed') throw new RefusedError(`${mapperPath(id)} has changed meanwhile: look again`);
  if (outcome === 'back')
    throw new RefusedError(
      `${id} has registered itself again: its process runs. Stop it, or make its admin port reachable (KEYMILL_ADMIN_HOST)`,
    );
  const isPersistent = node.stat.ephemeralOwner === NO_SESSION;
  if (isJson)
    printJson(terminal, { forgotten: { id, admin: member?.admin ?? null, persistent: isPersistent } });
  else printLines(terminal, [`forgot ${id}`]);
  if (!isPersistent) note(terminal, 'keys that it still holds may be drawn twice: see key_duplicates_total');
}

/** @throws RefusedError if the process answers, or if it may run and the operator does not accept that */
async function refuseIfAlive(
  id: string,
  { stat }: Node,
  member: MapperView | undefined,
  isForced: boolean,
): Promise<void> {
  const admin = member?.admin ?? null;
  if (admin !== null && (await answers({ admin, host: member?.host ?? null })))
    throw new RefusedError(`${id} answers at ${admin}, so it is not gone. Stop its process instead`);
  if (isForced || stat.ephemeralOwner === NO_SESSION) return;
  throw new RefusedError(
    `${id} does not answer${admin === null ? '' : ` at ${admin}`}, but its ZooKeeper session ${stat.ephemeralOwner} is alive. ` +
      'Stop its process: then its node vanishes by itself. If you cannot, add --force. Keys that it still holds may then be ' +
      'recycled: no link is lost or doubled, but such keys are drawn twice and count in key_duplicates_total',
  );
}

async function answers({ admin, host }: { admin: string; host: string | null }): Promise<boolean> {
  if (whyOutOfReach({ admin, host }, hostname()) !== undefined) return false;
  try {
    await askAdmin({ url: admin, token: undefined }, 'GET', '/livez', { timeoutMs: ASK_DEADLINE_MS });
    return true;
  } catch (error) {
    return codeOf(error) === 'ADMIN_REFUSED';
  }
}

async function remove(session: Session, path: string, node: Node): Promise<'gone' | 'changed' | 'back'> {
  try {
    await removeMember(session, path, node);
  } catch (error) {
    if (isCoordinationError(error, 'NO_NODE', 'BAD_VERSION', 'NOT_EMPTY')) return 'changed';
    throw error;
  }
  return (await registersAgain(session, path)) ? 'back' : 'gone';
}

async function registersAgain(session: Session, path: string): Promise<boolean> {
  const deadlineMs = monotonicMs() + REGISTERS_AGAIN_MS;
  while (monotonicMs() < deadlineMs) {
    if ((await session.exists(path)) !== undefined) return true;
    await pause(LOOK_EVERY_MS);
  }
  return false;
}
