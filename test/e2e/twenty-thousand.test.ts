import { expect } from 'chai';
import type { AuditReport } from '../../db/audit/audit.ts';
import { Client } from './client.ts';
import { TestCluster, untilNothingRuns } from './cluster.ts';
import { realUrls, type UrlSource } from './real-urls.ts';

const COUNT = 20_000;
const CONNECTIONS = 64;

describe(`${COUNT} real URLs at ${CONNECTIONS} connections`, function () {
  this.timeout(400_000);
  const cluster = new TestCluster('twenty-thousand');
  const client = new Client(CONNECTIONS);
  let source: UrlSource;
  let keys: string[] = [];

  before(async () => {
    [source] = await Promise.all([realUrls(COUNT), cluster.must('up', '--detach')]);
    process.stdout.write(`    (${source.from})\n`);
  });

  after(async () => {
    client.close();
    await cluster.destroy();
    await untilNothingRuns(cluster);
  });

  it('get as many distinct keys', async () => {
    const mappers = cluster.file.mappers.map(({ url }) => url);
    let turn = 0;
    const answers = await client.forEach(source.urls, async (url) =>
      client.shorten(mappers[turn++ % mappers.length] ?? '', url),
    );
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused.slice(0, 3)).to.deep.equal([]);
    keys = answers.map(({ body }) => (JSON.parse(body) as { unique_id: string }).unique_id);
    expect(new Set(keys).size).to.equal(COUNT);
  });

  it('are the exact redirect targets at every mapper', async () => {
    await expectAllToRedirect();
  });

  it('balance in the audit: no key leaked, no key with two links', async () => {
    const audit = await cluster.keymill<AuditReport>('audit');
    expect(audit).to.include({ balanced: true, leaked: 0, unknown: 0, duplicates: 0 });
    expect(audit.bound).to.equal(COUNT);
  });

  it('are all found after down and up', async () => {
    await cluster.must('down');
    await cluster.must('up', '--detach');
    await expectAllToRedirect();
    expect(await cluster.keymill<AuditReport>('audit')).to.include({
      balanced: true,
      leaked: 0,
      duplicates: 0,
      bound: COUNT,
    });
  });

  async function expectAllToRedirect(): Promise<void> {
    for (const { id, url: mapper } of cluster.file.mappers) {
      const answers = await client.forEach(keys, async (key) => client.follow(mapper, key));
      const wrong = answers.flatMap(({ status, location }, index) => {
        const href = new URL(source.urls[index] ?? '').href;
        return status === 302 && location === href ? [] : [{ id, key: keys[index], status, location, href }];
      });
      expect(wrong.slice(0, 3)).to.deep.equal([]);
    }
  }
});
