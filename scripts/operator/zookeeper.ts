import type { Command } from 'commander';
import { createEnsembleId } from '../../coordinator/ensemble.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import { askOnly, CHANGE_DEADLINE_MS, Inquiry } from './sources/ask.ts';
import { withSession } from './sources/coordination.ts';
import { findCluster } from './sources/find-cluster.ts';
import { withKeysDb } from './sources/keys-dbs.ts';
import { printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';

interface Adopted {
  readonly keysDb: string;
  readonly before: string | null;
  /** The epoch after it: reigns go on above this. */
  readonly epoch: number;
  readonly changed: boolean;
}

export function addZookeeperCommand(program: Command, terminal: Terminal): void {
  const zookeeper = program.command('zookeeper').description('Decides about the ZooKeeper ensemble itself.');
  zookeeper
    .command('adopt')
    .description(
      'Tells every keys-db that the ensemble reached now is the right one, after ZooKeeper was wiped or replaced. Until then ' +
        'nobody contends, since locks of another ensemble cannot be compared. Epochs go on rising; no key is lost. Do it only ' +
        'when the old ensemble is gone for good: two ensembles would mean two holders, each fenced by the other.',
    )
    .option('--json', 'one JSON document on stdout: {"ensemble","keysDbs":[…],"unreachable":[]}')
    .action(async ({ json }: { json?: true }) => {
      const { zookeeper: ensembleConfig, stores } = findCluster(terminal.env).config;
      const ensemble = await askOnly(
        'zookeeper',
        (signal) => withSession(ensembleConfig, signal, (session) => createEnsembleId(session)),
        CHANGE_DEADLINE_MS,
      );
      const keyspace = createKeyspace(stores.keys);
      const inquiry = new Inquiry();
      const answers = await Promise.all(
        stores.keysDbs.map((config) =>
          inquiry.ask(
            config.name,
            () => withKeysDb(config, keyspace, (keysDb) => adopt(keysDb, ensemble)),
            CHANGE_DEADLINE_MS,
          ),
        ),
      );
      const keysDbs = answers.filter((answer) => answer !== undefined);
      const { unreachable } = inquiry;
      if (json) printJson(terminal, { ensemble, keysDbs, unreachable });
      else printLines(terminal, [`ensemble ${ensemble}`, ...keysDbs.map(describe)]);
      inquiry.report(terminal);
      // Half adopted is not done: the silent ones stay without a holder until this is run again.
      if (unreachable.length > 0) terminal.exitCode = 2;
    });
}

async function adopt(keysDb: KeysDb, ensemble: string): Promise<Adopted> {
  await keysDb.verify();
  const before = await keysDb.ownership();
  await keysDb.adoptEnsemble(ensemble);
  const { epoch } = await keysDb.ownership();
  return {
    keysDb: keysDb.name,
    before: before.ensemble ?? null,
    epoch,
    changed: before.ensemble !== ensemble,
  };
}

function describe({ keysDb, before, epoch, changed }: Adopted): string {
  if (!changed) return `${keysDb}: already belongs to it (epoch ${epoch})`;
  return `${keysDb}: adopted, ${before === null ? 'the first one it knows' : `instead of ${before}`}; epoch ${epoch}`;
}
