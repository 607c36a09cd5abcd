import type { Command } from 'commander';
import { codeOf, messageOf } from '../../runtime/errors.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { pause } from '../../runtime/retry.ts';
import type { OperatorConfig } from '../../runtime/config/config.ts';
import { producersBlock, type ProducerEntry } from './blocks.ts';
import { RefusedError, UnreachableError, UsageError } from '../../runtime/terminal/errors.ts';
import { callAdmin } from './sources/admin.ts';
import { askOnly } from './sources/ask.ts';
import { readCoordination, type Coordination } from './sources/coordination.ts';
import { findCluster } from './sources/find-cluster.ts';
import { producerEntries } from './sources/members.ts';
import { bare, note, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';

/** A drained producer finishes its deliveries first; longer than this and somebody should look why. */
const DRAIN_TIMEOUT_MS = 30_000;
const LOOK_EVERY_MS = 100;

export function addProducersCommand(program: Command, terminal: Terminal): void {
  const producers = program
    .command('producers')
    .description('Shows the producers, and which shards each holds of how many it may.')
    .option('--json', 'one JSON document on stdout: {"producers":[…],"unreachable":[]}')
    .action(async ({ json }: { json?: true }) => {
      const entries = producerEntries(await ask(findCluster(terminal.env).config));
      if (json) printJson(terminal, { producers: entries, unreachable: [] });
      else printLines(terminal, bare(producersBlock(entries)));
    });
  producers
    .command('drain')
    .description(
      'Makes a producer finish its deliveries, hand all its shards over, and take none any more: for stopping its host. ' +
        'Returns when it holds nothing.',
    )
    .argument('<id>', 'such as producer-1')
    .option('--undo', 'let it take shards again')
    .option('--json', 'one JSON document on stdout: {"id","drained","handedOver":[…]}')
    .action(async (id: string, options: { undo?: true; json?: true }) =>
      drain(terminal, id, { drained: options.undo !== true, json: options.json === true }),
    );
}

async function drain(
  terminal: Terminal,
  id: string,
  { drained, json }: { drained: boolean; json: boolean },
): Promise<void> {
  const { config } = findCluster(terminal.env);
  const coordination = await ask(config);
  const { admin, shards } = requireProducer(coordination, id);
  try {
    await callAdmin(admin, 'POST', '/drain', { body: { drained } });
  } catch (error) {
    if (codeOf(error) === 'ADMIN_REFUSED') throw new RefusedError(`${id}: ${messageOf(error)}`, error);
    throw new UnreachableError(`${id} does not answer at ${admin}: ${messageOf(error)}`, error);
  }
  if (drained) await untilEmpty(config, id);
  const handedOver = drained ? shards : [];
  if (json) printJson(terminal, { id, drained, handedOver });
  else if (!drained) printLines(terminal, [`${id} takes shards again`]);
  else
    printLines(terminal, [
      `${id} is drained: it handed over ${handedOver.join(', ') || 'nothing, for it held nothing'}`,
    ]);
  if (drained) noteFree(terminal, config, await ask(config));
}

/** Draining the last producer that has room leaves shards without a holder: say so. */
function noteFree(terminal: Terminal, config: OperatorConfig, { locks }: Coordination): void {
  const free = config.stores.keysDbs.map(({ name }) => name).filter((shard) => !locks.has(shard));
  if (free.length > 0)
    note(terminal, `nobody holds ${free.join(', ')} now: is there another producer with room?`);
}

function requireProducer(
  coordination: Coordination,
  id: string,
): Pick<ProducerEntry, 'shards'> & { admin: string } {
  const admin = coordination.producers.find((producer) => producer.id === id)?.admin;
  const entry = producerEntries(coordination).find((producer) => producer.id === id);
  if (entry === undefined) {
    const known = producerEntries(coordination).map((producer) => producer.id);
    throw new UsageError(`no producer ${id}; there are: ${known.join(', ') || 'none'}`);
  }
  if (!admin) throw new UnreachableError(`${id} publishes no admin address`);
  return { admin, shards: entry.shards };
}

async function untilEmpty(config: OperatorConfig, id: string): Promise<void> {
  const deadlineMs = monotonicMs() + DRAIN_TIMEOUT_MS;
  for (;;) {
    const held = producerEntries(await ask(config)).find((producer) => producer.id === id)?.shards ?? [];
    if (held.length === 0) return;
    if (monotonicMs() > deadlineMs) {
      throw new RefusedError(
        `${id} still holds ${held.join(', ')} after ${DRAIN_TIMEOUT_MS / 1_000} s: see its log`,
      );
    }
    await pause(LOOK_EVERY_MS);
  }
}

async function ask(config: OperatorConfig): Promise<Coordination> {
  return askOnly('zookeeper', (signal) => readCoordination(config.zookeeper, signal));
}
