import { expect } from 'chai';
import { createSecret, formatSecret, SecretBox } from '../../../mapper/webhooks/secrets.ts';

describe('secrets of webhooks', () => {
  const box = new SecretBox('the secret of a cluster');
  const secret = createSecret();
  const sealed = box.seal(secret, 'a1');

  it('are shown as Standard Webhooks writes them', () => {
    expect(formatSecret(secret)).to.match(/^whsec_[A-Za-z0-9+/]{43}=$/);
  });

  it('are opened by every mapper of the cluster, for their webhook', () => {
    expect(new SecretBox('the secret of a cluster').tryOpen(sealed, 'a1')).to.deep.equal(secret);
    expect(sealed.length).to.be.at.most(255);
  });

  it('are sealed differently each time', () => {
    expect(box.seal(secret, 'a1')).not.to.deep.equal(sealed);
  });

  for (const [name, open] of [
    ['under another secret', () => new SecretBox('another cluster').tryOpen(sealed, 'a1')],
    ['for another webhook', () => box.tryOpen(sealed, 'a2')],
    [
      'when a bit has changed',
      () => box.tryOpen(Buffer.from(sealed.map((byte, at) => (at === 40 ? byte ^ 1 : byte))), 'a1'),
    ],
    ['when they are cut', () => box.tryOpen(sealed.subarray(0, 40), 'a1')],
    ['when nothing is left', () => box.tryOpen(Buffer.alloc(0), 'a1')],
    ['in another form', () => box.tryOpen(Buffer.from([2, ...sealed.subarray(1)]), 'a1')],
  ] as const)
    it(`are not opened ${name}`, () => {
      expect(open()).to.equal(undefined);
    });
});
