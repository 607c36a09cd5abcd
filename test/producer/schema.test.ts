import { expect } from 'chai';
import { createEnsembleId } from '../../coordinator/ensemble.ts';
import { openMysql } from '../../db/mysql/mysql.ts';
import { until } from '../until.ts';
import { testCluster, untilHeld, untilLogged, type Cluster } from './cluster.ts';

describe('a producer beside a keys-db of another version', function () {
  this.timeout(60_000);
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await testCluster({ keysDbs: 2 });
    // A new ZooKeeper gets its id only when every keys-db tells that it is new too.
    await createEnsembleId(cluster.session);
  });

  afterEach(() => cluster[Symbol.asyncDispose]());

  /** Records a migration of a later release in keys-db-2. */
  async function upgrade(compatibleFrom: number): Promise<void> {
    const url = cluster.env['KEYMILL_KEYS_DBS']?.split(',')[1]?.replace(/^[^=]*=/, '') ?? '';
    await using db = openMysql(url, { name: 'keys-db-2' });
    await db.execute(
      "INSERT INTO schema_migrations (name, batch, migration_time) VALUES ('999-later', 9, NOW())",
    );
    await db.execute('UPDATE schema_compatibility SET compatible_from = ?', [compatibleFrom]);
  }

  it('leaves out that shard alone when its schema is too new', async () => {
    await upgrade(999);
    const producer = cluster.start('producer-1');
    await untilHeld(cluster, 'keys-db-1');
    await untilLogged(producer, "keys-db not used: its schema is another version's");
    expect([...(await cluster.locks()).keys()]).to.deep.equal(['keys-db-1']);
  });

  it('gives that shard back when its schema becomes too new, says why, and takes it no more', async () => {
    cluster.start('producer-1');
    await untilHeld(cluster, 'keys-db-1');
    await untilHeld(cluster, 'keys-db-2');
    await upgrade(999);
    await until('the shard to be free', async () => !(await cluster.locks()).has('keys-db-2'));
    const member = await until('the reason in its node', async () => {
      const found = (await cluster.members()).get('producer-1');
      return found?.refused['keys-db-2'] !== undefined && found;
    });
    expect(member.refused['keys-db-2']).to.include('newer than this program').and.include('999-later');
    expect([...(await cluster.locks()).keys()]).to.deep.equal(['keys-db-1']);
  });

  it('uses both when the newer schema allows it, and says so', async () => {
    await upgrade(1);
    const producer = cluster.start('producer-1');
    await untilHeld(cluster, 'keys-db-1');
    await untilHeld(cluster, 'keys-db-2');
    await untilLogged(producer, 'schema is newer than this program, which may use it');
  });

  it('refuses to start when every schema is too new', async () => {
    await upgrade(999);
    const producer = cluster.start('producer-1', {
      KEYMILL_KEYS_DBS: cluster.env['KEYMILL_KEYS_DBS']?.split(',')[1] ?? '',
    });
    expect(await producer.exited).not.to.equal(0);
  });
});
