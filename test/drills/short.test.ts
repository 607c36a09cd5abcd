import { expect } from 'chai';
import type { DrillReport } from '../../drills/report.ts';
import { TestCluster } from '../e2e/cluster.ts';

/**
 * A few drills with few rounds, short rests and little load, on one cluster. They assert what must never
 * happen. Times are measured by the whole set on a machine that runs nothing else (`keymill drill --all`).
 */
describe('short drills', function () {
  this.timeout(180_000);
  let cluster: TestCluster;

  before(async () => {
    // After every drill the audit waits until the quarantine is over.
    process.env['KEYMILL_QUARANTINE_MS'] = '3000';
    cluster = new TestCluster('short-drills');
    await cluster.must('up', '--detach');
  });

  after(async () => {
    delete process.env['KEYMILL_QUARANTINE_MS'];
    await cluster.destroy();
  });

  async function drill(name: string, ...options: string[]): Promise<DrillReport> {
    const { stdout, stderr } = await cluster.run(
      'keymill',
      'drill',
      name,
      '--brief',
      '--rate',
      '40',
      ...options,
      '--json',
    );
    try {
      return JSON.parse(stdout) as DrillReport;
    } catch {
      throw new Error(`drill ${name} printed no report: ${stderr}`);
    }
  }

  /** Goals for times hold only on a machine that runs nothing else. Everything else holds on any machine. */
  function expectSafe(report: DrillReport): void {
    expect(report, report.violations.join('\n')).to.include({
      lost: 0,
      duplicates: 0,
      wrongTarget: 0,
      leaked: 0,
    });
    const violations = report.violations.filter((violation) => !/ ms, at most/.test(violation));
    expect(violations.join('\n')).to.equal('');
    expect(report.acked).to.be.greaterThan(0);
    expect(report.redirects).to.be.greaterThan(0);
  }

  it('worker-kill: another producer takes over, no request fails', async () => {
    const report = await drill('worker-kill', '--rounds', '3');
    expectSafe(report);
    expect(report).to.include({ failed: 0, refused: 0, unknown: 0, redirectsFailed: 0 });
    expect(report.unownedMs.all.length).to.be.at.least(3);
  });

  it('zombie: no write of the old epoch is accepted', async () => {
    const report = await drill('zombie', '--rounds', '1');
    expectSafe(report);
    expect(report.unownedMs.all.length).to.be.at.least(1);
  });

  it('redis-flushed: producers notice the loss, fill the pool again and recycle the lost keys', async () => {
    expectSafe(await drill('redis-flushed', '--rounds', '1'));
  });

  it('mapper-kill: acknowledged links redirect, and the keys that it held are recycled', async () => {
    const report = await drill('mapper-kill', '--rounds', '1');
    expectSafe(report);
    expect(report.redirectsFailed).to.equal(0);
  });

  it('links-changed: no update is lost, and a redirect after an acknowledged change shows it', async () => {
    const report = await drill('links-changed', '--rounds', '1');
    expectSafe(report);
    expect(report.redirectsFailed).to.equal(0);
    expect(report.ownLinks).to.include({ oldStates: 0, wrongTargets: 0, lostUpdates: 0, givenAgain: 0 });
    expect(report.ownLinks?.acked).to.be.above(20);
    expect(report.ownLinks?.follows).to.be.above(100);
  });

  it('visits-exact: no link is followed more often than max_visits says', async () => {
    const report = await drill('visits-exact', '--rounds', '1');
    expectSafe(report);
    expect(report.redirectsFailed).to.equal(0);
    const story = report.timeline.map(({ event }) => event).find((event) => event.includes('max_visits'));
    expect(Number(/: (\d+) redirects/.exec(story ?? '')?.[1]), story).to.be.above(300);
  });

  it('blobs-down: images are refused while their store is away, none is lost, and links go on', async () => {
    const report = await drill('blobs-down', '--rounds', '1');
    expectSafe(report);
    expect(report).to.include({ failed: 0, redirectsFailed: 0 });
    expect(report.images).to.include({ lost: 0, wrongBytes: 0, seenAfterDeletion: 0, givenAgain: 0 });
    expect(report.images?.acked).to.be.above(5);
    expect(report.images?.refusedInFaults).to.be.above(0);
  });

  it('refuses a drill that does not exist, and lists those that do', async () => {
    const { code, stderr } = await cluster.run('keymill', 'drill', 'nothing');
    expect(code).to.equal(2);
    expect(stderr).to.contain('there is no drill "nothing"');
    const list = await cluster.keymill<{ name: string; does: string; needs: string[] }[]>('drill', '--list');
    expect(list.map(({ name }) => name)).to.include.members(['worker-kill', 'zombie', 'chaos']);
  });
});
