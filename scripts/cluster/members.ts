import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { reservePort, type ReservedPort } from '../servers/ports.ts';
import { startProcess } from '../servers/process.ts';
import { isRunning } from '../servers/identity.ts';
import { firstPort, numbered, processEnvironment, type Addresses } from './environment.ts';
import { tryGet } from './http.ts';
import { REPOSITORY } from './run-dir.ts';
import type { Launch } from './servers.ts';
import type { Counts, Kind } from './state.ts';
import { stopRecorded } from './stop.ts';

type MemberKind = Extract<Kind, 'producer' | 'mapper'>;

/** The ports each kind listens on: the first of its kind takes the usual one, the others those after it. */
const USUAL_PORTS: Record<MemberKind, Readonly<Record<string, number>>> = {
  mapper: { http: 8080, admin: 9101 },
  producer: { admin: 9201 },
};

/** How long the next one waits for a restarted one at most. */
const RENEWAL_MS = 30_000;

/** Under which name a port is on record: `mapper-1/http`. */
export function portName(id: string, use: string): string {
  return `${id}/${use}`;
}

/**
 * Starts the producers and mappers that are missing, restarts those that know other stores than there are now, and ends those beyond
 * the counts, by SIGTERM. Does not wait until the started ones are ready.
 * @returns the ports taken for them, to be released once they listen
 */
export async function scaleMembers(
  counts: Counts,
  addresses: Addresses,
  launch: Launch,
): Promise<ReservedPort[]> {
  for (const member of membersOf(counts)) await renewIfOutdated(member, addresses, launch);
  const reserved = await startMembers(counts, addresses, launch);
  await endSurplus('mapper', counts.mappers, launch);
  await endSurplus('producer', counts.producers, launch);
  return reserved;
}

/**
 * Starts the producers and mappers that are missing with these stores, and leaves those that run alone, whichever they know.
 * @returns the ports taken for them, to be released once they listen
 */
export async function startMembers(
  counts: Counts,
  addresses: Addresses,
  launch: Launch,
): Promise<ReservedPort[]> {
  const reserved: ReservedPort[] = [];
  for (const member of membersOf(counts)) {
    if (launch.state.findRunning(member.id) === undefined)
      reserved.push(...(await startMember(member, addresses, launch)));
  }
  return reserved;
}

function membersOf(counts: Counts): MemberOf[] {
  return (['producer', 'mapper'] as const).flatMap((kind) =>
    numbered(kind, counts[`${kind}s`]).map((id, index) => ({ id, index, kind, own: ownOf(kind, counts) })),
  );
}

interface MemberOf {
  readonly id: string;
  readonly kind: MemberKind;
  readonly index: number;
  /** Variables that its kind has beside the addresses. */
  readonly own: Readonly<Record<string, string>>;
}

/** With one process a mapper is started as ever: what ran before does not count as outdated. */
function ownOf(kind: MemberKind, { processesPerMapper }: Counts): MemberOf['own'] {
  if (kind !== 'mapper' || processesPerMapper === 1) return {};
  return { KEYMILL_PROCESSES: String(processesPerMapper) };
}

/** One at a time, and on only when it is ready again: meanwhile the others serve. */
async function renewIfOutdated(member: MemberOf, addresses: Addresses, launch: Launch): Promise<void> {
  const { id, kind } = member;
  const { state, progress, signal } = launch;
  const running = state.findRunning(id);
  if (running === undefined || state.configOf(id) === fingerprintOf(addresses, member.own)) return;
  progress.line(`restarting ${id}, for which the stores or the number of processes have changed …`);
  await stopRecorded({ id, kind, ...running }, state, progress);
  const reserved = await startMember(member, addresses, launch);
  const deadline = performance.now() + RENEWAL_MS;
  const admin = `http://127.0.0.1:${state.port(portName(id, 'admin'))}`;
  while ((await tryGet(`${admin}/readyz`))?.status !== 200 && performance.now() < deadline) {
    await delay(100, undefined, { signal });
  }
  for (const port of reserved) port.release();
}

async function startMember(
  { id, kind, index, own: ofKind }: MemberOf,
  addresses: Addresses,
  launch: Launch,
): Promise<ReservedPort[]> {
  const { runDir, state, signal } = launch;
  signal.throwIfAborted();
  const reserved: ReservedPort[] = [];
  const own: Record<string, string> = { KEYMILL_ID: id, ...ofKind };
  for (const [use, usual] of Object.entries(USUAL_PORTS[kind])) {
    const port = await reservePort(state.port(portName(id, use)) ?? firstPort(usual + index));
    reserved.push(port);
    state.recordPort(portName(id, use), port.port);
    own[`KEYMILL_${use.toUpperCase()}_PORT`] = String(port.port);
  }
  const { identity } = await startProcess({
    id,
    command: process.execPath,
    args: [join(REPOSITORY, kind, 'main.ts')],
    cwd: REPOSITORY,
    logFile: runDir.logOf(id),
    env: processEnvironment({ runDir, state, addresses, own }),
    dieWithParent: false,
  });
  launch.onSpawn(id, kind, identity);
  state.recordConfig(id, fingerprintOf(addresses, ofKind));
  return reserved;
}

/** Tells whether a process was started with these stores and variables. */
function fingerprintOf(addresses: Addresses, own: MemberOf['own']): string {
  const variables = Object.keys(own).length > 0 ? JSON.stringify(own) : '';
  return createHash('sha256')
    .update(JSON.stringify(addresses) + variables)
    .digest('hex')
    .slice(0, 16);
}

async function endSurplus(kind: MemberKind, count: number, { state, progress }: Launch): Promise<void> {
  const keep = new Set(numbered(kind, count));
  const surplus = state.processes().filter((entry) => entry.kind === kind && !keep.has(entry.id));
  const running = surplus.filter(isRunning).map(({ id }) => id);
  if (running.length > 0) progress.line(`stopping ${running.join(', ')} …`);
  await Promise.all(surplus.map(async (entry) => stopRecorded(entry, state, progress)));
}
