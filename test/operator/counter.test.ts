import { expect } from 'chai';
import { mapperPath, PATHS } from '../../coordinator/paths.ts';
import type { AuditReport } from '../../db/audit/audit.ts';
import { counterKeys } from '../../db/counter/counter-keys.ts';
import { openCounterMarks } from '../../db/counter/counter-marks.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { createLog } from '../../runtime/log.ts';
import { startAdminPort } from './admin-port.ts';
import { openTestCluster, type TestCluster } from './cluster.ts';
import { runKeymill } from './run-keymill.ts';

const REGION = 1_023;
const LINK = {
  userId: null,
  createdAt: new Date(),
  expiresAt: null,
  alias: false,
  longUrl: 'https://example.com/',
};

describe('keymill of a cluster whose keys come by counter', () => {
  let cluster: TestCluster;
  let mapper: Awaited<ReturnType<typeof startAdminPort>>;
  let env: Record<string, string>;
  /** The keys of the ids 1 to 1,000, of which 941 or so exist. */
  let keys: readonly { id: number; key: string }[];

  before(async () => {
    cluster = await openTestCluster();
    const usersUrl = cluster.env['KEYMILL_USERS_DB'] ?? '';
    await migrate(usersUrl, 'users', createLog('test', 'counter', 'silent'));
    const secret = cluster.env['KEYMILL_KEY_SECRET'] ?? '';
    const keyspace = createKeyspace({ length: 8, secret, regionBits: 10 });
    keys = counterKeys({ keyspace, region: REGION }, 1, 1_000);
    await using marks = Object.assign(openCounterMarks({ url: usersUrl }), {
      [Symbol.asyncDispose]: async () => marks.close(),
    });
    await marks.advance({ from: 0, to: 1_000 });
    await cluster.urlsDb.insert(
      keys.slice(0, 10).map(({ key, id }) => ({
        ...LINK,
        key,
        slot: slotOf(key),
        requestId: id.toString().padStart(32, '0'),
      })),
    );
    const held = keys.filter(({ id }) => id > 900).length;
    expect(held).to.be.within(80, 100);
    mapper = await startAdminPort({
      'GET /reserve': async () => ({
        keys: keys.slice(10, 13).map(({ key }) => key),
        ranges: [{ region: REGION, first: 901, last: 1_000 }],
      }),
    });
    await cluster.session.ensurePath(PATHS.mappers);
    const member = { id: 'mapper-1', url: 'http://127.0.0.1:1', admin: mapper.url };
    await cluster.session.create(mapperPath('mapper-1'), JSON.stringify(member), { ephemeral: true });
    env = { ...cluster.env, KEYMILL_KEY_SOURCE: 'counter' };
  });

  after(async () => {
    await mapper[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  async function audit(
    variables: Record<string, string>,
  ): Promise<{ report: AuditReport; exitCode: number | null }> {
    const { exitCode, stdout, stderr } = await runKeymill(['audit', '--json'], variables);
    expect(stdout, stderr).not.to.equal('');
    return { report: JSON.parse(stdout) as AuditReport, exitCode };
  }

  it('accounts for every key: bound, held by a mapper, or never used again', async () => {
    const reserved = 3 + keys.filter(({ id }) => id > 900).length;
    const places = {
      issued: keys.length,
      bound: 10,
      reserved,
      leaked: 0,
      unknown: 0,
      written_off: keys.length - 10 - reserved,
      balanced: true,
    };
    const { KEYMILL_KEYS_DBS: _none, ...alone } = env;
    for (const variables of [alone, env, cluster.env]) {
      const { report, exitCode } = await audit(variables);
      expect(report).to.include(places);
      expect(exitCode).to.equal(0);
    }
  });

  it('finds a bound key above the mark: the users database has gone back', async () => {
    const { KEYMILL_KEY_SECRET: secret = '' } = cluster.env;
    const keyspace = createKeyspace({ length: 8, secret, regionBits: 10 });
    const [above] = counterKeys({ keyspace, region: REGION }, 5_000, 10);
    const { key = '' } = above ?? {};
    await cluster.urlsDb.insert([{ ...LINK, key, slot: slotOf(key), requestId: '0f'.repeat(16) }]);
    const { report, exitCode } = await audit(env);
    expect(report.balanced).to.equal(false);
    expect(exitCode).to.equal(1);
    const marks = openCounterMarks({ url: cluster.env['KEYMILL_USERS_DB'] ?? '' });
    await marks.raiseTo(6_000);
    await marks.close();
    expect((await audit(env)).report.balanced).to.equal(true);
  });

  it('says where such a key is', async () => {
    const where = async (key = ''): Promise<Record<string, unknown>> => {
      const { stdout, stderr } = await runKeymill(['where', key, '--json'], env);
      expect(stderr).to.equal('');
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    const counter = { keysDb: 'counter', unreachable: [] };
    const [bound, held, lost] = [keys[0], keys.find(({ id }) => id > 950), keys[500]];
    const { key: first, id } = bound ?? { key: '', id: 0 };
    expect(await where(first)).to.deep.include({ ...counter, id, life: 'bound', place: 'urls-1' });
    expect(await where(keys[11]?.key)).to.deep.include({ ...counter, life: 'reserved', place: 'mapper-1' });
    expect(await where(held?.key)).to.deep.include({ ...counter, life: 'reserved', place: 'mapper-1' });
    expect(await where(lost?.key)).to.deep.include({ ...counter, life: 'written off', place: null });
    const { KEYMILL_KEY_SECRET: secret = '' } = cluster.env;
    const keyspace = createKeyspace({ length: 8, secret, regionBits: 10 });
    const [later] = counterKeys({ keyspace, region: REGION }, 1_000_000, 10);
    expect(await where(later?.key)).to.deep.include({ ...counter, life: 'unused', place: 'counter' });
  });

  it('asks a keys-db of that region instead, in a cluster that has one', async () => {
    const KEYMILL_KEYS_DBS = 'keys-db-1024=mysql://k:p@127.0.0.1:1/keys';
    const { stdout } = await runKeymill(['where', keys[500]?.key ?? '', '--json'], {
      ...cluster.env,
      KEYMILL_KEYS_DBS,
    });
    const expected = { keysDb: 'keys-db-1024', life: 'unknown', unreachable: ['keys-db-1024'] };
    expect(JSON.parse(stdout)).to.deep.include(expected);
  });
});
