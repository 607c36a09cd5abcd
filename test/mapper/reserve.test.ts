import { expect } from 'chai';
import { Reserve } from '../../mapper/keys/reserve.ts';
import type { TakenKey } from '../../mapper/keys/taken-key.ts';
import type { UrlsServer } from '../../mapper/urls/urls-server.ts';

/** The reserve compares servers and does nothing else with them. */
const [one, two, none] = [{}, {}, {}] as [UrlsServer, UrlsServer, UrlsServer];

describe('the reserve', () => {
  let reserve: Reserve;

  beforeEach(() => {
    reserve = new Reserve();
    for (const [key, server] of [
      ['a1', one],
      ['b1', one],
      ['a2', two],
      ['c1', one],
      ['b2', two],
    ] as const)
      reserve.add({ key, server } as TakenKey);
  });

  function take(...preferred: readonly (UrlsServer | undefined)[]): (string | undefined)[] {
    return preferred.map((server) => reserve.take(server)?.key);
  }

  it('gives the keys of the preferred server, in the order in which they came', () =>
    expect(take(two, two, one)).to.deep.equal(['a2', 'b2', 'a1']));

  it('keeps that order for keys that come in between', () => {
    expect(take(one)).to.deep.equal(['a1']);
    reserve.add({ key: 'd1', server: one } as TakenKey);
    expect(take(one, one, one, two)).to.deep.equal(['b1', 'c1', 'd1', 'a2']);
  });

  it('gives a key of the server with the most keys when it has none for the preferred one', () =>
    expect(take(none, undefined, two, two, two)).to.deep.equal(['a1', 'b1', 'a2', 'b2', 'c1']));

  it('gives nothing when it is empty', () => {
    take(one, one, one, two, two);
    expect([...take(one, undefined), reserve.size]).to.deep.equal([undefined, undefined, 0]);
  });

  it('removes the keys that are asked for, and keeps the others in their order', () => {
    const removed = reserve.remove(({ key }) => key.startsWith('b'));
    expect(removed.map(({ key }) => key)).to.deep.equal(['b1', 'b2']);
    expect([reserve.size, ...take(one, one, two)]).to.deep.equal([3, 'a1', 'c1', 'a2']);
  });
});
