import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isRunning } from '../servers/identity.ts';
import { reservePort, type ReservedPort } from '../servers/ports.ts';
import { startProcess } from '../servers/process.ts';
import { firstPort, numbered, processEnvironment, type Addresses } from './environment.ts';
import { ClusterError } from './errors.ts';
import { tryGet } from './http.ts';
import { REPOSITORY } from './run-dir.ts';
import type { Launch } from './servers.ts';
import { smallNode, type SmallNode } from './small-node.ts';
import type { Counts, Kind, State } from './state.ts';
import { stopRecorded } from './stop.ts';

type MemberKind = Extract<Kind, 'producer' | 'mapper'>;

/** The ports of the first process of each kind. The second one gets the next port, and so on. */
const USUAL_PORTS: Record<MemberKind, Readonly<Record<string, number>>> = {
  mapper: { http: 8080, admin: 9101 },
  producer: { admin: 9201 },
};

/** How long a restarted process may take before the next one is restarted. */
const RENEWAL_MS = 30_000;

/** The name of a port on record: `mapper-1/http`. */
export function portName(id: string, use: string): string {
  return `${id}/${use}`;
}

/**
 * Starts missing producers and mappers. If it may, it first restarts those that were started with other
 * stores or settings, and at last ends surplus ones by SIGTERM. Does not wait until the started ones are
 * ready.
 * @returns the reserved ports of the started processes; release them when the processes listen
 * @throws ClusterError when a restarted one does not become ready; those after it still run as they were
 */
export async function scaleMembers(
  counts: Counts,
  addresses: Addresses,
  launch: Launch,
  { renews, ends }: { readonly renews: boolean; readonly ends: boolean },
): Promise<ReservedPort[]> {
  if (renews) await renewMembers(counts, addresses, launch);
  const reserved = await startMembers(counts, addresses, launch);
  if (ends) await endSurplusMembers(counts, launch);
  return reserved;
}

/**
 * Restarts the members that were started with other stores or settings, one at a time.
 * @throws ClusterError when one does not become ready; those after it still run as they were
 */
export async function renewMembers(counts: Counts, addresses: Addresses, launch: Launch): Promise<void> {
  for (const member of outdatedMembers(counts, addresses, launch)) {
    if (!(await renew(member, addresses, launch)))
      throw new ClusterError(
        `${member.id} is not ready ${RENEWAL_MS / 1_000} s after its restart; the others were not restarted. ` +
          `Its log: ${launch.runDir.logOf(member.id)}`,
      );
  }
}

/** The members that run and were started with other stores or settings than these. */
export function outdatedMembers(
  counts: Counts,
  addresses: Addresses,
  launch: Pick<Launch, 'state'>,
): MemberSpec[] {
  return membersOf(counts).filter((member) => isOutdated(member, addresses, launch));
}

/** Ends producers and mappers above these numbers by SIGTERM. */
export async function endSurplusMembers(counts: Counts, launch: Launch): Promise<void> {
  await endSurplus('mapper', counts.mappers, launch);
  await endSurplus('producer', counts.producers, launch);
}

/**
 * Starts missing producers and mappers, and does not touch those that run.
 * @returns the reserved ports of the started processes; release them when the processes listen
 */
export async function startMembers(
  counts: Counts,
  addresses: Addresses,
  launch: Launch,
): Promise<ReservedPort[]> {
  const reserved: ReservedPort[] = [];
  for (const member of membersOf(counts)) {
    launch.signal.throwIfAborted();
    if (launch.state.findRunning(member.id) === undefined)
      reserved.push(...(await startMember(member, addresses, launch)));
  }
  return reserved;
}

function membersOf(counts: Counts): MemberSpec[] {
  return (['producer', 'mapper'] as const).flatMap((kind) =>
    numbered(kind, counts[`${kind}s`]).map((id, index) => ({ id, index, kind, own: ownOf(kind, counts) })),
  );
}

/** A producer or mapper that should run. */
export interface MemberSpec {
  readonly id: string;
  readonly kind: MemberKind;
  readonly index: number;
  /** Variables of all processes of its kind, besides the addresses. */
  readonly own: Readonly<Record<string, string>>;
}

/**
 * Empty for a mapper of one process, so that a mapper that was started before this option existed does not
 * count as outdated.
 */
function ownOf(kind: MemberKind, { processesPerMapper }: Counts): MemberSpec['own'] {
  if (kind !== 'mapper' || processesPerMapper === 1) return {};
  return { KEYMILL_PROCESSES: String(processesPerMapper) };
}

function isOutdated(
  { id, kind, own }: MemberSpec,
  addresses: Addresses,
  { state }: Pick<Launch, 'state'>,
): boolean {
  if (state.findRunning(id) === undefined) return false;
  return state.configOf(id) !== fingerprintOf(settingsOf(kind, addresses), own, state);
}

/** A producer fills pools, whatever mappers take their keys from. */
function settingsOf(kind: MemberKind, addresses: Addresses): Addresses {
  return kind === 'producer' ? { ...addresses, keySource: undefined } : addresses;
}

/**
 * Restarts one process and waits until it is ready again. The others serve in the meantime.
 * @returns whether it is ready
 */
async function renew(member: MemberSpec, addresses: Addresses, launch: Launch): Promise<boolean> {
  const { id, kind } = member;
  const { state, progress, signal } = launch;
  // Not later: a member that was stopped must be started again.
  signal.throwIfAborted();
  progress.line(`restarting ${id}: its stores, credentials, memory or number of processes have changed …`);
  const running = state.findRunning(id);
  if (running !== undefined) await stopRecorded({ id, kind, ...running }, state, progress);
  const reserved = await startMember(member, addresses, launch);
  const deadline = performance.now() + RENEWAL_MS;
  const admin = `http://127.0.0.1:${state.port(portName(id, 'admin'))}`;
  const isReady = async (): Promise<boolean> => (await tryGet(`${admin}/readyz`))?.status === 200;
  let ready = await isReady();
  while (!ready && performance.now() < deadline) {
    await delay(100, undefined, { signal });
    ready = await isReady();
  }
  for (const port of reserved) port.release();
  return ready;
}

async function startMember(
  { id, kind, index, own: ofKind }: MemberSpec,
  addresses: Addresses,
  launch: Launch,
): Promise<ReservedPort[]> {
  const { runDir, state } = launch;
  const reserved: ReservedPort[] = [];
  const own: Record<string, string> = { KEYMILL_ID: id, ...ofKind };
  for (const [use, usual] of Object.entries(USUAL_PORTS[kind])) {
    const port = await reservePort(state.port(portName(id, use)) ?? firstPort(usual + index));
    reserved.push(port);
    state.recordPort(portName(id, use), port.port);
    own[`KEYMILL_${use.toUpperCase()}_PORT`] = String(port.port);
  }
  const node: SmallNode = state.setup.memory === 'small' ? smallNode() : { flags: [], env: {} };
  const { identity } = await startProcess({
    id,
    command: process.execPath,
    args: [...node.flags, join(REPOSITORY, kind, 'main.ts')],
    cwd: REPOSITORY,
    logFile: runDir.logOf(id),
    env: {
      ...processEnvironment({ runDir, state, addresses: settingsOf(kind, addresses), own }),
      ...node.env,
    },
    dieWithParent: false,
  });
  launch.onSpawn(id, kind, identity);
  state.recordConfig(id, fingerprintOf(settingsOf(kind, addresses), ofKind, state));
  return reserved;
}

/** Identifies the stores, variables, token and memory that a process was started with. */
function fingerprintOf(
  addresses: Addresses,
  own: MemberSpec['own'],
  { adminToken = '', setup: { memory } }: Pick<State, 'adminToken' | 'setup'>,
): string {
  const variables = Object.keys(own).length > 0 ? JSON.stringify(own) : '';
  // The usual size adds nothing, so that no mapper of an older version counts as outdated.
  const size = memory === 'small' ? memory : '';
  return createHash('sha256')
    .update(JSON.stringify(addresses) + variables + adminToken + size)
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
