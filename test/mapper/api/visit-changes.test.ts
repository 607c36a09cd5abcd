import { expect } from 'chai';
import { send } from '../client.ts';
import { ApiClient } from './api-client.ts';
import { useApi } from './use-api.ts';

describe('changes of max_visits while visitors are redirected', () => {
  const fixture = useApi();
  const { api, makeLink } = fixture;

  /** Follows a link from many places until it is stopped. `stop` says how many were redirected. */
  function startVisitors(urls: readonly string[]): { readonly stop: () => Promise<number> } {
    const stopping = new AbortController();
    const all = Array.from({ length: 16 }, async (_, index) => {
      let redirects = 0;
      while (!stopping.signal.aborted) {
        const { status, text } = await send('GET', urls[index % urls.length] ?? '');
        // 503: the link has changed each time that he was judged.
        expect(status, text).to.be.oneOf([302, 410, 503]);
        if (status === 302) redirects += 1;
      }
      return redirects;
    });
    return {
      stop: async () => {
        stopping.abort();
        return (await Promise.all(all)).reduce((sum, one) => sum + one, 0);
      },
    };
  }

  it('lose and give no visit, on two mappers', async function () {
    this.timeout(60_000);
    const cookie = await fixture.people.session(await fixture.people.person());
    const other = await fixture.world.start();
    const there = new ApiClient(() => other.url, api.document);
    const key = await makeLink(cookie, { max_visits: 100 });
    const visitors = startVisitors([`${fixture.mapper.url}/${key}`, `${other.url}/${key}`]);
    const setMax = async (max: number, client = api): Promise<number> => {
      const answer = await client.call('PATCH', `/urls/${key}`, { cookie, body: { max_visits: max } });
      expect(answer.status, answer.text).to.equal(200);
      return Number(answer.json()['visits_left']);
    };
    for (let round = 0; round < 20; round += 1) {
      // More than have visited, fewer than that, and the same.
      const some = [1 + round * 37, 1 + ((round * 211) % 900), 1 + round * 37];
      await Promise.all(some.map(async (max, index) => setMax(max, index % 2 === 0 ? api : there)));
    }
    await setMax(100_000);
    const redirects = await visitors.stop();
    expect(redirects).to.be.above(100);
    const read = await api.call('GET', `/urls/${key}`, { cookie });
    expect(read.json()['visits_left']).to.equal(100_000 - redirects);
  });
});
