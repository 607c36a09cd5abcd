import type { Command } from 'commander';
import {
  createEnsembleId,
  hasGoneBack,
  readEnsembleId,
  replaceEnsembleId,
} from '../../coordinator/ensemble.ts';
import type { Session } from '../../coordinator/session.ts';
import type { Ownership } from '../../db/keys-db/ownership.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { ONE_JSON_DOCUMENT, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { askOnly, CHANGE_DEADLINE_MS, Inquiry } from './sources/ask.ts';
import { withSession } from './sources/coordination.ts';
import { findCluster } from './sources/find-cluster.ts';
import { withKeysDb } from './sources/keys-dbs.ts';

interface Adopted {
  readonly keysDb: string;
  readonly before: string | null;
  /** The epoch after the adoption. Later reigns have higher epochs. */
  readonly epoch: number;
  readonly changed: boolean;
}

export function addZookeeperCommand(program: Command, terminal: Terminal): void {
  const zookeeper = program
    .command('zookeeper')
    .description('Changes which ZooKeeper ensemble the keys-dbs belong to.')
    .helpCommand(false);
  zookeeper
    .command('adopt')
    .summary('adopt the ensemble after ZooKeeper was wiped, replaced or put back')
    .description(
      'Records in every keys-db that it belongs to the present ensemble. Run it after ZooKeeper was wiped or replaced, or ' +
        'put back to an earlier state: until then no producer contends for the shards, because the new locks cannot be ' +
        'compared with the recorded ones. A ZooKeeper that was put back gets a new ensemble id. Producers that run ' +
        'need no restart. Epochs continue to rise, and no key is lost.',
    )
    .addHelpText(
      'after',
      '\nRun it only when the old ensemble will never come back. With two ensembles every\n' +
        'shard would have two holders, which fence each other off.',
    )
    .option('--json', `${ONE_JSON_DOCUMENT}: {"ensemble","keysDbs":[…],"unreachable":[]}`)
    .action(async ({ json }: { json?: true }) => {
      const { zookeeper: ensembleConfig, stores } = findCluster(terminal.env).config;
      const keyspace = createKeyspace(stores.keys);
      const askAll = async <T>(inquiry: Inquiry, work: (keysDb: KeysDb) => Promise<T>): Promise<T[]> => {
        const answers = stores.keysDbs.map((config) =>
          inquiry.ask(config.name, () => withKeysDb(config, keyspace, work), CHANGE_DEADLINE_MS),
        );
        return (await Promise.all(answers)).filter((answer) => answer !== undefined);
      };
      const recorded = await askAll(new Inquiry(), (keysDb) => keysDb.ownership());
      const ensemble = await askOnly(
        'zookeeper',
        (signal) => withSession(ensembleConfig, signal, (session) => ensembleToAdopt(session, recorded)),
        CHANGE_DEADLINE_MS,
      );
      const inquiry = new Inquiry();
      const keysDbs = await askAll(inquiry, (keysDb) => adopt(keysDb, ensemble));
      const { unreachable } = inquiry;
      if (json) printJson(terminal, { ensemble, keysDbs, unreachable });
      else printLines(terminal, [`ensemble ${ensemble}`, ...keysDbs.map(describe)]);
      inquiry.report(terminal);
      // The keys-dbs that did not answer stay without a holder until this runs again.
      if (unreachable.length > 0) terminal.exitCode = 2;
    });
}

/** @param recorded read before: a lock that is taken now is no sign that the ensemble has gone back */
async function ensembleToAdopt(session: Session, recorded: readonly Ownership[]): Promise<string> {
  const id = await readEnsembleId(session);
  if (id === undefined) return createEnsembleId(session);
  const zxid = await session.currentZxid();
  return recorded.some((lock) => hasGoneBack(lock, { id, zxid })) ? replaceEnsembleId(session, id) : id;
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
  if (!changed) return `${keysDb}: belonged to it already; epoch ${epoch}`;
  return `${keysDb}: adopted ${before === null ? 'as its first one' : `instead of ${before}`}; epoch ${epoch}`;
}
