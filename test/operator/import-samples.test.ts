import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Outcome } from '../../mapper/import/outcome.ts';
import type { ImportOutcome, StoredLink } from '../../mapper/import-jobs/stored-outcome.ts';
import type { TestMapper } from '../mapper/world.ts';
import { createImportWorld, type ImportWorld } from './import-world.ts';

const SAMPLES = join(import.meta.dirname, '../mapper/import/samples');
const REPORTS = join(import.meta.dirname, '../mapper/import/reports');
/** Nothing of them is stored. */
const BROKEN = ['quirks-latin-1.csv', 'quirks-cut-off.json'];

/** What the dry run says is what is stored, and what is stored is followed. */
describe('keymill import: the samples of other shorteners, stored and followed', () => {
  let world: ImportWorld;
  let mapper: TestMapper;
  before(async () => {
    world = await createImportWorld();
    await world.addUser('owner@example.org');
    // Without a cache, because the samples have codes in common.
    mapper = await world.world.start({ cache: { maxBytes: 0, ttlMs: 0 } });
  });
  after(async () => world[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const table of ['urls', 'owned', 'link_tags', 'click_totals', 'import_batches'])
      await world.query(`DELETE FROM ${table}`);
  });

  const samples = readdirSync(SAMPLES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== 'README.md' && statSync(join(SAMPLES, name)).isFile())
    .toSorted();

  for (const sample of samples) {
    const name = sample.replace('/', '-');
    const { outcomes: read } = JSON.parse(readFileSync(join(REPORTS, `${name}.json`), 'utf8')) as {
      outcomes: readonly Outcome[];
    };
    const isWhole = !BROKEN.includes(name) && !read.some(({ row }) => row === null);
    it(
      isWhole ? `${sample}: all that can be taken` : `${sample}: nothing, because it is broken`,
      async () => {
        const args = ['import', join(SAMPLES, sample), '--owner', 'owner@example.org', '--json'];
        const { stdout, exitCode } = await world.keymill(...args);
        if (!isWhole) {
          expect(exitCode).to.equal(1);
          expect(await world.query('SELECT 1 FROM urls')).to.deep.equal([]);
          return;
        }
        const { outcomes } = JSON.parse(stdout) as { outcomes: readonly ImportOutcome[] };
        expect(outcomes.map(withoutResult)).to.deep.equal(read);
        const stored = outcomes.filter((outcome): outcome is StoredLink => 'result' in outcome);
        expect(await world.query('SELECT 1 FROM urls')).to.have.length(stored.length);
        for (const outcome of stored) {
          const answer = await fetch(`${mapper.url}/${outcome.unique_id}`, { redirect: 'manual' });
          const got = [answer.status, answer.headers.get('location')];
          expect(got, JSON.stringify(outcome)).to.deep.equal(expectedAnswer(outcome));
        }
      },
    );
  }
});

function withoutResult(outcome: ImportOutcome): Outcome {
  if (!('result' in outcome)) return outcome;
  const { unique_id: _, result: __, ...taken } = outcome;
  return taken;
}

/** What a follower gets who is on no device, and speaks no language. */
function expectedAnswer({ link }: StoredLink): [number, string | null] {
  if (link.disabled) return [410, null];
  if (link.valid_from !== null && Date.parse(link.valid_from) > Date.now()) return [404, null];
  const isOver = link.expiration_date !== null && Date.parse(link.expiration_date) <= Date.now();
  if (isOver) return link.expired_url === null ? [410, null] : [302, link.expired_url];
  if (link.visits_left === 0) return [410, null];
  return [link.redirect_type, link.long_url];
}
