import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { DESK, PATIENCE } from './setting.ts';
import { useSite } from './use-site.ts';

const CODE = 'held-back';
const FILE = `code,url\n${CODE},https://example.com/1\nnot-held-back,https://example.com/2\n`;
/** Longer than the script waits between two questions. */
const A_PAUSE_MS = 6_000;

describe('the page of an import that takes long', function () {
  this.timeout(120_000 * PATIENCE);
  const site = useSite();

  it('asks how far it is, says it, pauses when it is told to, and leads to the result', async () => {
    const cookie = await site.people.session(await site.people.person());
    const slot = slotOf(CODE);
    const server = site.world.urls.find(({ slots }) => slots.includes(slot));
    if (server === undefined) throw new Error('every slot has a server');
    // The row that the import is about to write waits for the end of this transaction.
    await server.sql.query('START TRANSACTION');
    const person = await site.arrive({ ...DESK, hands: 'keyboard' }, 'slow-import', { cookie });
    const { page } = person;
    try {
      const row = [slot, CODE, 'https://example.com/another'];
      await server.sql.query(
        'INSERT INTO urls (slot, unique_id, original_url, created_at, request_id) VALUES (?, NOW(3), RANDOM_BYTES(16))',
        [row],
      );
      await page.clock.install();
      await person.goTo('/import');
      await person.handOver('File', 'links.csv', FILE);
      await person.press('Import');
      await person.isAt(/^The import (?:is under way|waits)/);
      await person.look('under way');

      const asked = page.waitForResponse(/\/import\/[^/]+$/);
      await page.clock.runFor(A_PAUSE_MS);
      expect((await asked).status()).to.equal(200);
      await person.hears(/^0 of 2 records$/);

      await person.press('Pause');
      let questions = 0;
      page.on('request', () => (questions += 1));
      await page.clock.runFor(10 * A_PAUSE_MS);
      expect(questions, 'questions while it pauses').to.equal(0);
    } finally {
      await server.sql.query('ROLLBACK');
    }
    // It asks at once when it goes on.
    await person.press('Pause');
    const said = page.getByText('The import is done.').and(page.locator(':visible'));
    while ((await said.count()) === 0) {
      await page.clock.runFor(A_PAUSE_MS);
      await page.waitForTimeout(50);
    }
    await person.hears('The import is done.');
    await person.look('done');
    await person.follow('Show the result');
    await person.isAt('The import is done');
    await person.sees('Links stored');
  });
});
