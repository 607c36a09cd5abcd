import { join } from 'node:path';
import { reservePort, type ReservedPort } from '../servers/ports.ts';
import { startProcess } from '../servers/process.ts';
import { isRunning } from '../servers/identity.ts';
import { numbered, processEnvironment, type Addresses } from './environment.ts';
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

/** Under which name a port is on record: `mapper-1/http`. */
export function portName(id: string, use: string): string {
  return `${id}/${use}`;
}

/** Starts the producers and mappers that are missing, and ends those beyond the counts, by SIGTERM. Does not wait until they are ready. */
export async function scaleMembers(
  counts: Counts,
  addresses: Addresses,
  launch: Launch,
): Promise<ReservedPort[]> {
  const reserved = [
    ...(await startMissing('producer', counts.producers, addresses, launch)),
    ...(await startMissing('mapper', counts.mappers, addresses, launch)),
  ];
  await endSurplus('mapper', counts.mappers, launch);
  await endSurplus('producer', counts.producers, launch);
  return reserved;
}

async function startMissing(
  kind: MemberKind,
  count: number,
  addresses: Addresses,
  launch: Launch,
): Promise<ReservedPort[]> {
  const reserved: ReservedPort[] = [];
  const ids = numbered(kind, count);
  for (const [index, id] of ids.entries()) {
    if (launch.state.findRunning(id) !== undefined) continue;
    launch.signal.throwIfAborted();
    for (const [use, usual] of Object.entries(USUAL_PORTS[kind])) {
      const port = await reservePort(launch.state.port(portName(id, use)) ?? usual + index);
      reserved.push(port);
      launch.state.recordPort(portName(id, use), port.port);
    }
    await startMember(id, kind, addresses, launch);
  }
  return reserved;
}

async function startMember(
  id: string,
  kind: MemberKind,
  addresses: Addresses,
  launch: Launch,
): Promise<void> {
  const { runDir, state } = launch;
  const own: Record<string, string> = { KEYMILL_ID: id };
  for (const use of Object.keys(USUAL_PORTS[kind])) {
    own[`KEYMILL_${use.toUpperCase()}_PORT`] = String(state.port(portName(id, use)));
  }
  const { identity } = await startProcess({
    id,
    command: process.execPath,
    args: [join(REPOSITORY, kind, 'main.ts')],
    cwd: REPOSITORY,
    logFile: runDir.logOf(id),
    env: processEnvironment(runDir, state, addresses, own),
    dieWithParent: false,
  });
  launch.onSpawn(id, kind, identity);
}

async function endSurplus(kind: MemberKind, count: number, { state, progress }: Launch): Promise<void> {
  const keep = new Set(numbered(kind, count));
  const surplus = state.processes().filter((entry) => entry.kind === kind && !keep.has(entry.id));
  const running = surplus.filter(isRunning).map(({ id }) => id);
  if (running.length > 0) progress.line(`stopping ${running.join(', ')} …`);
  await Promise.all(
    surplus.map(async ({ id, kind: ofKind, ...identity }) =>
      stopRecorded(state, id, ofKind, identity, progress),
    ),
  );
}
