import { expect } from 'chai';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { testFolder } from '../servers.ts';
import { runKeymill } from './run-keymill.ts';

/** Nothing listens on port 1. */
const AWAY = {
  KEYMILL_RUN_DIR: '/nowhere',
  KEYMILL_ZOOKEEPER: '127.0.0.1:1',
  KEYMILL_REDIS: 'redis-1=redis://127.0.0.1:1',
  KEYMILL_KEYS_DBS: 'keys-db-1=mysql://keymill:s3cr3tword@127.0.0.1:1/keys',
  KEYMILL_URLS_DBS: 'urls-1:0-31=mysql://keymill:s3cr3tword@127.0.0.1:1/urls',
  KEYMILL_USERS_DB: 'mysql://keymill:s3cr3tword@127.0.0.1:1/users',
  KEYMILL_KEY_SECRET: '0123456789abcdef0123456789abcdef',
  KEYMILL_BLOBS: 'file:/dev/null/blobs',
  KEYMILL_PUBLIC_URL: 'http://127.0.0.1:1',
  KEYMILL_CONNECT_TIMEOUT_MS: '300',
};

const COMMANDS = [
  'status',
  'locks',
  'locks release keys-db-1',
  'pools',
  'producers',
  'producers drain producer-1',
  'producers undrain producer-1',
  'mappers',
  'mappers forget mapper-1',
  'where QFXOHkP7',
  'stats QFXOHkP7',
  'keys generate --count 10',
  'audit',
  'audit --repair',
  'prepare',
  'zookeeper adopt',
  'urls restored urls-1',
  'users list',
  'users add ana@example.com',
  'users reset ana@example.com',
  'users disable ana@example.com',
  'images list',
  'images list --owner ana@example.com',
  'images sweep',
  'images verify',
  'import /nowhere/links.csv',
  'import --dry-run /nowhere/links.csv',
  'shorten https://example.com/',
  'zk ls /',
  'grow',
  'capacity --users nonsense',
  'drill no-such-drill',
  'bench no-such-bench',
  'status --no-such-option',
  'no-such-command',
];

describe('keymill --json', function () {
  this.timeout(60_000);

  const documentOf = (stdout: string): Record<string, unknown> => {
    // Not two of them either.
    return JSON.parse(stdout) as Record<string, unknown>;
  };

  for (const command of COMMANDS)
    it(`prints one document or says why there is none: ${command}, while nothing answers`, async () => {
      const { exitCode, stdout, stderr } = await runKeymill([...command.split(' '), '--json'], AWAY);
      if (stdout === '') {
        expect(exitCode).to.be.oneOf([1, 2]);
        expect(stderr).not.to.equal('');
      } else documentOf(stdout);
      expect(`${stdout}${stderr}`).not.to.include('s3cr3tword');
    });

  it('says what a sweep has done before the store went away', async () => {
    const { exitCode, stdout } = await runKeymill(['images', 'sweep', '--json'], AWAY);
    expect(exitCode).to.equal(2);
    expect(documentOf(stdout)).to.deep.include({ swept: {}, unreachable: ['blob-store'] });
  });

  it('ends the document that was begun when a file cannot be read to its end', async () => {
    const path = join(await mkdtemp(join(testFolder(), 'json-')), 'links.json');
    const link = (n: number): string =>
      JSON.stringify({ code: `code-${n}`, long_url: 'https://example.com/' });
    await writeFile(path, `[${Array.from({ length: 5_000 }, (_, n) => link(n)).join(',\n')},\n{"broken`);
    const outcome = await runKeymill(['import', '--dry-run', '--json', path], {});
    expect(documentOf(outcome.stdout), outcome.stderr).to.have.property('outcomes');
  });
});
