import { expect } from 'chai';
import { findClient, Networks } from '../../../mapper/limits/client-address.ts';

const PROXIES = ['10.0.0.0/8', '2001:db8:ffff::/48', '192.0.2.7'];

/** Peer, X-Forwarded-For, and the client when {@link PROXIES} are trusted. */
const TABLE: readonly (readonly [string, string | undefined, string | undefined])[] = [
  ['198.51.100.1', undefined, '198.51.100.1'],
  ['::ffff:198.51.100.1', undefined, '198.51.100.1'],
  // An IPv6 client has a network of 64 bits.
  ['2001:db8:1:2:3:4:5:6', undefined, '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1', undefined, '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002:ffff::', undefined, '2001:db8:1:2::/64'],
  ['2001:db8::1', undefined, '2001:db8:0:0::/64'],
  ['1::2:3:4:5:6', undefined, '1:0:0:2::/64'],
  ['fe80::1%eth0', undefined, 'fe80:0:0:0::/64'],
  // This machine.
  ['127.0.0.1', undefined, undefined],
  ['127.255.255.254', undefined, undefined],
  ['::1', undefined, undefined],
  ['::ffff:127.0.0.1', undefined, undefined],
  ['127.0.0.1', '198.51.100.1', '127.0.0.1'],
  // A client cannot choose its address.
  ['198.51.100.1', '198.51.100.2', '198.51.100.1'],
  ['198.51.100.1', '10.0.0.1', '198.51.100.1'],
  // Behind proxies, the rightmost that is none of them.
  ['10.0.0.1', '198.51.100.1', '198.51.100.1'],
  ['10.0.0.1', undefined, '10.0.0.1'],
  ['10.0.0.1', 'made-up, 203.0.113.9, 198.51.100.1', '198.51.100.1'],
  ['10.0.0.1', '203.0.113.9,198.51.100.1 , 10.9.9.9,192.0.2.7', '198.51.100.1'],
  ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['2001:db8:ffff::1', '2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['::ffff:10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
  ['10.0.0.1', '127.0.0.1', '127.0.0.1'],
  // Ports, which some proxies add.
  ['10.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
  ['10.0.0.1', '[2001:db8:1:2::9]:4711', '2001:db8:1:2::/64'],
  ['10.0.0.1', '[2001:db8:1:2::9]', '2001:db8:1:2::/64'],
  // What is no address ends the search: the client is the proxy that was believed last.
  ['10.0.0.1', '', '10.0.0.1'],
  ['10.0.0.1', ',', '10.0.0.1'],
  ['10.0.0.1', 'unknown', '10.0.0.1'],
  ['10.0.0.1', '198.51.100.1,', '10.0.0.1'],
  ['10.0.0.1', '198.51.100.1, unknown, 10.0.0.2', '10.0.0.2'],
  ['10.0.0.1', '198.51.100.256', '10.0.0.1'],
  ['10.0.0.1', '1.2.3.4\u00a0', '1.2.3.4'],
];

describe('the client of a request', () => {
  const trusted = new Networks(PROXIES);

  for (const [peer, forwardedFor, client] of TABLE) {
    const header = forwardedFor === undefined ? 'nothing forwarded' : `"${forwardedFor}"`;
    it(`is ${client ?? 'without limits'} for ${peer} with ${header}`, () => {
      expect(findClient(peer, forwardedFor, { trusted, limitsLoopback: false })).to.equal(client);
    });
  }

  it('is the peer when no proxy is trusted', () => {
    const rules = { trusted: new Networks([]), limitsLoopback: false };
    expect(findClient('10.0.0.1', '198.51.100.1', rules)).to.equal('10.0.0.1');
    expect(findClient('127.0.0.1', '198.51.100.1', rules)).to.equal('127.0.0.1');
    expect(findClient('127.0.0.1', undefined, rules)).to.equal(undefined);
  });

  it('is this machine too, where that has limits', () => {
    expect(findClient('::1', undefined, { trusted, limitsLoopback: true })).to.equal('0:0:0:0::/64');
    expect(findClient('127.0.0.2', undefined, { trusted, limitsLoopback: true })).to.equal('127.0.0.2');
  });

  it('is found in a header of any length in a moment', () => {
    const list = '10.0.0.1,'.repeat(1_700);
    expect(findClient('10.0.0.1', `${list}10.0.0.1`, { trusted, limitsLoopback: false })).to.equal(
      '10.0.0.1',
    );
  });

  it('needs networks that are some', () => {
    for (const network of ['10.0.0.0/33', 'proxy', '10.0.0.0/', '::/129', '10.0.0.0/8/8'])
      expect(() => new Networks([network]), network).to.throw();
  });
});
