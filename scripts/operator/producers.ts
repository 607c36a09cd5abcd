import type { Command } from 'commander';
import { markDrained } from '../../coordinator/drained.ts';
import type { Coordination } from '../../coordinator/overview/coordination.ts';
import { producerEntries, type ProducerEntry } from '../../coordinator/overview/producer-entries.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { OperatorConfig } from '../../runtime/config/config.ts';
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
import { producersBlock } from './blocks.ts';
import { askOnly, CHANGE_DEADLINE_MS } from './sources/ask.ts';
import { readCoordination, withSession } from './sources/coordination.ts';
import { findCluster } from './sources/find-cluster.ts';

/** A drained producer finishes its deliveries first. After this time, something is wrong with it. */
const DRAIN_TIMEOUT_MS = 30_000;
const LOOK_EVERY_MS = 100;
/** A worker that died is replaced within this time. */
const REPLACED_MS = 2_000;

export function addProducersCommand(program: Command, terminal: Terminal): void {
  const producers = program
    .command('producers')
    .description('Shows the producers, the shards that each holds, and how many it may hold.')
    .helpCommand(false)
    .option('--json', `${ONE_JSON_DOCUMENT}: {"producers":[…],"unreachable":[]}`)
    .action(async ({ json }: { json?: true }) => {
      const coordination = await ask(findCluster(terminal.env).config);
      const entries = producerEntries(coordination);
      if (json) printJson(terminal, { producers: entries, unreachable: [] });
      else printLines(terminal, bare(producersBlock(entries)));
      noteAbsent(terminal, coordination);
    });
  producers
    .command('drain')
    .summary('hand over all shards of a producer')
    .description(
      'Makes a producer finish its deliveries, hand over all its shards, and take no more until "producers undrain", also ' +
        "after it was restarted. Use it before you stop the producer's host. Returns when the producer holds no shard.",
    )
    .argument('<id>', 'such as producer-1')
    .option('--undo', 'the same as "producers undrain"')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"id","drained","handedOver":[…]}`)
    .action(async (id: string, { undo, json }: { undo?: true; json?: true }) =>
      undo ? undrain(terminal, id, json === true) : drain(terminal, id, json === true),
    );
  producers
    .command('undrain')
    .summary('let a drained producer take shards again')
    .description('Ends "producers drain". The producer need not run.')
    .argument('<id>', 'such as producer-1')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"id","drained","handedOver":[]}`)
    .action(async (id: string, { json }: { json?: true }) => undrain(terminal, id, json === true));
}

async function drain(terminal: Terminal, id: string, isJson: boolean): Promise<void> {
  const { config } = findCluster(terminal.env);
  const handedOver = await shardsOf(config, id);
  await mark(config, id, true);
  await untilEmpty(config, id);
  if (isJson) printJson(terminal, { id, drained: true, handedOver });
  else
    printLines(terminal, [
      handedOver.length === 0
        ? `${id} is drained; it held no shards`
        : `${id} is drained; it handed over ${handedOver.join(', ')}`,
      `It takes none until: keymill producers undrain ${id}`,
    ]);
  noteFree(terminal, config, await ask(config));
}

/**
 * The shards of a producer that runs, or that is drained already. Waits for one whose worker is being
 * replaced.
 * @throws UsageError when there is none
 */
async function shardsOf(config: OperatorConfig, id: string): Promise<readonly string[]> {
  const deadlineMs = monotonicMs() + REPLACED_MS;
  for (;;) {
    const coordination = await ask(config);
    const found = producerEntries(coordination).find((producer) => producer.id === id);
    if (found !== undefined) return found.shards;
    if (coordination.drained.includes(id)) return [];
    if (monotonicMs() > deadlineMs) return requireProducer(coordination, id).shards;
    await pause(LOOK_EVERY_MS);
  }
}

async function undrain(terminal: Terminal, id: string, isJson: boolean): Promise<void> {
  const { config } = findCluster(terminal.env);
  const coordination = await ask(config);
  if (!coordination.drained.includes(id)) requireProducer(coordination, id);
  await mark(config, id, false);
  if (isJson) printJson(terminal, { id, drained: false, handedOver: [] });
  else printLines(terminal, [`${id} takes shards again`]);
}

async function mark({ zookeeper }: OperatorConfig, id: string, isDrained: boolean): Promise<void> {
  await askOnly(
    'zookeeper',
    (signal) => withSession(zookeeper, signal, async (session) => markDrained(session, id, isDrained)),
    CHANGE_DEADLINE_MS,
  );
}

/** A producer with one of these names would take no shard when it starts. */
function noteAbsent(terminal: Terminal, { drained, producers }: Coordination): void {
  const absent = drained.filter((id) => !producers.some((producer) => producer.id === id));
  if (absent.length > 0) note(terminal, `drained, and not running: ${absent.join(', ')}`);
}

/** Draining the last producer with room leaves shards without a holder. */
function noteFree(terminal: Terminal, config: OperatorConfig, { locks }: Coordination): void {
  const free = config.stores.keysDbs.map(({ name }) => name).filter((shard) => !locks.has(shard));
  if (free.length > 0)
    note(terminal, `no producer holds ${free.join(', ')} now. Is there another producer with room?`);
}

function requireProducer(coordination: Coordination, id: string): ProducerEntry {
  const producers = producerEntries(coordination);
  const found = producers.find((producer) => producer.id === id);
  if (found !== undefined) return found;
  const known = producers.map((producer) => producer.id);
  throw new UsageError(
    `there is no producer ${id}. ${known.length === 0 ? 'There are none' : `Choose ${known.join(', ')}`}`,
  );
}

async function untilEmpty(config: OperatorConfig, id: string): Promise<void> {
  const deadlineMs = monotonicMs() + DRAIN_TIMEOUT_MS;
  for (;;) {
    const held = producerEntries(await ask(config)).find((producer) => producer.id === id)?.shards ?? [];
    if (held.length === 0) return;
    if (monotonicMs() > deadlineMs) {
      throw new RefusedError(
        `${id} still holds ${held.join(', ')} after ${DRAIN_TIMEOUT_MS / 1_000} s. Its log may say why`,
      );
    }
    await pause(LOOK_EVERY_MS);
  }
}

async function ask(config: OperatorConfig): Promise<Coordination> {
  return askOnly('zookeeper', (signal) => readCoordination(config.zookeeper, signal));
}
