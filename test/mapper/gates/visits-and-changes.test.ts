import { expect } from 'chai';
import { useApi } from '../api/use-api.ts';
import { send } from '../client.ts';
import { IS_LONG } from '../../long.ts';
import { countEach, kindIn } from '../visits/ruled-links.ts';

const VISITORS = 32;
/** Values of max_visits, one after another. Some are less than the visits that have happened by then. */
const LIMITS = [20, 60, 5, 40, 10, 90, 30, 100];
const ROUNDS = IS_LONG ? 30 : 2;

describe('visits of a link whose owner changes it at the same time', function () {
  this.timeout(60_000 * ROUNDS);
  const fixture = useApi();
  const { api, makeLink } = fixture;

  it(`are as many as max_visits says at last (${LIMITS.join(', ')}), and lead to no target that was replaced before`, async () => {
    const { world, people } = fixture;
    const mappers = [fixture.mapper, await world.start({ hasFastPaths: false })];
    const cookie = await people.session(await people.person());
    for (let round = 0; round < ROUNDS; round += 1) {
      const key = await makeLink(cookie, { max_visits: LIMITS[0], long_url: 'https://example.com/0' });
      const results: string[] = [];
      let changed = 0;
      const visitors = Array.from({ length: VISITORS }, async (_, index) => {
        for (let visit = 0; ; visit += 1) {
          const { url } = mappers[(index + visit) % 2] as (typeof mappers)[number];
          const [knownBefore, isLast] = [changed, changed === LIMITS.length - 1];
          const { status, headers, text } = await send('GET', `${url}/${key}`);
          const result = kindIn(text) ?? String(status);
          results.push(result);
          if (status === 302) {
            const target = Number(headers.location?.split('/').at(-1));
            expect(target, 'the change that a visitor sees').to.be.at.least(knownBefore);
          } else if (isLast && result === 'link-used-up') return;
        }
      });
      for (const [version, maxVisits] of [...LIMITS.entries()].slice(1)) {
        const body = { max_visits: maxVisits, long_url: `https://example.com/${version}` };
        const answer = await api.call('PATCH', `/urls/${key}`, { cookie, body });
        expect(answer.status, answer.text).to.equal(200);
        // Also if a mapper has not heard of it in time, on a busy machine: a visit needs the newest state.
        changed = version;
      }
      await Promise.all(visitors);
      const counts = countEach(results);
      expect(counts['302'], JSON.stringify(counts)).to.equal(LIMITS.at(-1));
      // On a busy machine a visitor may be refused, who uses up no visit.
      expect(Object.keys(counts)).to.include.members(['302', 'link-used-up']);
      for (const result of Object.keys(counts))
        expect(result).to.be.oneOf(['302', 'link-used-up', 'store-down']);
      const whole = (await api.call('GET', `/urls/${key}`, { cookie })).json();
      expect(whole).to.include({ max_visits: LIMITS.at(-1), visits_left: 0 });
    }
  });

  it('count from when a limit is set, and no more when it is lifted', async () => {
    const { mapper, people } = fixture;
    const cookie = await people.session(await people.person());
    const key = await makeLink(cookie);
    const follow = async (): Promise<number> => (await send('GET', `${mapper.url}/${key}`)).status;
    const patch = async (body: object): Promise<void> => {
      expect((await api.call('PATCH', `/urls/${key}`, { cookie, body })).status).to.equal(200);
    };
    expect([await follow(), await follow()]).to.deep.equal([302, 302]);
    await patch({ max_visits: 1 });
    expect([await follow(), await follow()]).to.deep.equal([302, 410]);
    await patch({ max_visits: null });
    expect([await follow(), await follow()]).to.deep.equal([302, 302]);
    await patch({ max_visits: 1, password: 'open sesame' });
    expect(await follow()).to.equal(401);
    await patch({ password: null });
    expect([await follow(), await follow()]).to.deep.equal([302, 410]);
    await api.call('DELETE', `/urls/${key}`, { cookie });
    expect((await api.call('POST', `/urls/${key}/restore`, { cookie })).status).to.equal(204);
    expect(await follow()).to.equal(410);
  });
});
