import type { Command } from 'commander';
import { askAdmin } from '../../runtime/admin-client.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { OperatorConfig } from '../../runtime/config/config.ts';
import { codeOf, messageOf } from '../../runtime/errors.ts';
import { pause } from '../../runtime/retry.ts';
import { RefusedError, UnreachableError, UsageError } from '../../runtime/terminal/errors.ts';
import {
  bare,
  note,
  ONE_JSON_DOCUMENT,
  printJson,
  printLines,
  type Terminal,
} from '../../runtime/terminal/terminal.ts';
import { producersBlock, type ProducerEntry } from './blocks.ts';
import { ASK_DEADLINE_MS, askOnly } from './sources/ask.ts';
import { readCoordination, type Coordination } from './sources/coordination.ts';
import { findCluster } from './sources/find-cluster.ts';
import { producerEntries } from './sources/members.ts';

/** A drained producer finishes its deliveries first. After this time, something is wrong with it. */
const DRAIN_TIMEOUT_MS = 30_000;
const LOOK_EVERY_MS = 100;

export function addProducersCommand(program: Command, terminal: Terminal): void {
  const producers = program
    .command('producers')
    .description('Shows the producers, the shards that each holds, and how many it may hold.')
    .helpCommand(false)
    .option('--json', `${ONE_JSON_DOCUMENT}: {"producers":[…],"unreachable":[]}`)
    .action(async ({ json }: { json?: true }) => {
      const entries = producerEntries(await ask(findCluster(terminal.env).config));
      if (json) printJson(terminal, { producers: entries, unreachable: [] });
      else printLines(terminal, bare(producersBlock(entries)));
    });
  producers
    .command('drain')
    .summary('hand over all shards of a producer')
    .description(
      'Makes a producer finish its deliveries, hand over all its shards, and take no more. Use it before you stop the ' +
        "producer's host. Returns when the producer holds no shard.",
    )
    .argument('<id>', 'such as producer-1')
    .option('--undo', 'let it take shards again')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"id","drained","handedOver":[…]}`)
    .action(async (id: string, options: { undo?: true; json?: true }) =>
      drain(terminal, id, { isDrained: options.undo !== true, isJson: options.json === true }),
    );
}

async function drain(
  terminal: Terminal,
  id: string,
  { isDrained, isJson }: { isDrained: boolean; isJson: boolean },
): Promise<void> {
  const { config } = findCluster(terminal.env);
  const coordination = await ask(config);
  const { admin, shards } = requireProducer(coordination, id);
  try {
    const address = { url: admin, token: config.adminToken };
    const body = { drained: isDrained };
    await askAdmin(address, 'POST', '/drain', { body, timeoutMs: ASK_DEADLINE_MS });
  } catch (error) {
    if (codeOf(error) === 'ADMIN_REFUSED') throw new RefusedError(`${id}: ${messageOf(error)}`, error);
    throw new UnreachableError(`${id} does not answer at ${admin}: ${messageOf(error)}`, error);
  }
  if (isDrained) await untilEmpty(config, id);
  const handedOver = isDrained ? shards : [];
  if (isJson) printJson(terminal, { id, drained: isDrained, handedOver });
  else if (!isDrained) printLines(terminal, [`${id} takes shards again`]);
  else
    printLines(terminal, [
      handedOver.length === 0
        ? `${id} is drained; it held no shards`
        : `${id} is drained; it handed over ${handedOver.join(', ')}`,
    ]);
  if (isDrained) noteFree(terminal, config, await ask(config));
}

/** Draining the last producer with room leaves shards without a holder. */
function noteFree(terminal: Terminal, config: OperatorConfig, { locks }: Coordination): void {
  const free = config.stores.keysDbs.map(({ name }) => name).filter((shard) => !locks.has(shard));
  if (free.length > 0)
    note(terminal, `no producer holds ${free.join(', ')} now. Is there another producer with room?`);
}

function requireProducer(
  coordination: Coordination,
  id: string,
): Pick<ProducerEntry, 'shards'> & { admin: string } {
  const admin = coordination.producers.find((producer) => producer.id === id)?.admin;
  const entry = producerEntries(coordination).find((producer) => producer.id === id);
  if (entry === undefined) {
    const known = producerEntries(coordination).map((producer) => producer.id);
    throw new UsageError(
      `there is no producer ${id}. ${known.length === 0 ? 'There are none' : `Choose ${known.join(', ')}`}`,
    );
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
        `${id} still holds ${held.join(', ')} after ${DRAIN_TIMEOUT_MS / 1_000} s. Its log may say why`,
      );
    }
    await pause(LOOK_EVERY_MS);
  }
}

async function ask(config: OperatorConfig): Promise<Coordination> {
  return askOnly('zookeeper', (signal) => readCoordination(config.zookeeper, signal));
}
