import { expect } from 'chai';
import {
  canonicalBody,
  dedupeIdentity,
  idempotencyIdentity,
  isOtherBody,
} from '../../../mapper/reservations/reservation-hash.ts';

const TARGET = 'https://example.com/';

describe('what makes two requests the same one', () => {
  const dedupe = (owner: bigint | null, fields: object, href = TARGET): string =>
    dedupeIdentity(owner, { long_url: TARGET, find_if_exists: true, ...fields }, href).hash;
  const keyed = (owner: bigint | null, idempotencyKey: string, fields: object, index?: number): string =>
    idempotencyIdentity(
      owner,
      { idempotencyKey, ...(index !== undefined && { index }) },
      { long_url: TARGET, ...fields },
    ).hash;

  it('the canonical body names its method, and leaves find_if_exists out', () => {
    const body = canonicalBody({ title: 'ö', long_url: TARGET, find_if_exists: true });
    expect(body[0]).to.equal(1);
    expect(body.subarray(1).toString()).to.equal(`{"long_url":"${TARGET}","title":"ö"}`);
  });

  it('find_if_exists: owner and fields count, the spelling of the target does not', () => {
    expect(dedupe(1n, {})).to.match(/^[\da-f]{64}$/);
    expect(dedupe(1n, { long_url: 'HTTPS://EXAMPLE.com' })).to.equal(dedupe(1n, {}));
    const others = [
      dedupe(null, {}),
      dedupe(2n, {}),
      dedupe(1n, {}, 'https://example.com/A'),
      dedupe(1n, {}, 'https://example.com/a'),
      dedupe(1n, { expiration_date: '2027-01-01T00:00:00Z' }),
      dedupe(1n, { title: null }),
    ];
    expect(new Set([dedupe(1n, {}), ...others]).size).to.equal(others.length + 1);
  });

  it('Idempotency-Key: of an owner the key alone counts, of anonymous callers the body too', () => {
    expect(keyed(1n, '1', { title: 'a' })).to.equal(keyed(1n, '1', { title: 'b' }));
    expect(keyed(null, '1', { title: 'a' })).to.equal(keyed(null, '1', { title: 'a' }));
    expect(keyed(null, '1', { title: 'a' })).to.not.equal(keyed(null, '1', { title: 'b' }));
    const others = [
      keyed(1n, '1', {}),
      keyed(1n, '11', {}),
      keyed(11n, '1', {}),
      keyed(null, '1', {}),
      keyed(1n, '1', {}, 0),
      keyed(1n, '1', {}, 1),
      keyed(1n, '10', {}),
      dedupe(1n, {}),
    ];
    expect(new Set(others).size).to.equal(others.length);
  });

  it('bodies are compared by their fingerprints, but not those of another method', () => {
    const of = (title: string): string =>
      idempotencyIdentity(1n, { idempotencyKey: '1' }, { title }).fingerprint;
    expect(of('a')).to.match(/^01[\da-f]{62}$/);
    expect(isOtherBody(of('a'), of('a'))).to.equal(false);
    expect(isOtherBody(of('a'), of('b'))).to.equal(true);
    expect(isOtherBody(of('a'), `02${of('b').slice(2)}`)).to.equal(false);
  });
});
