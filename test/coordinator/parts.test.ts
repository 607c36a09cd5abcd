import { expect } from 'chai';
import * as fc from 'fast-check';
import { parseConnectString } from '../../coordinator/connect-string.ts';
import { FrameReader } from '../../coordinator/framing.ts';
import { LivenessClock } from '../../coordinator/liveness.ts';
import { Watches } from '../../coordinator/watches.ts';

describe('connect string', () => {
  const cases: [string, unknown][] = [
    ['zk1', { servers: [{ host: 'zk1', port: 2181 }], chroot: '' }],
    ['zk1:1/', { servers: [{ host: 'zk1', port: 1 }], chroot: '' }],
    [
      ' zk1:1 ,, zk2:2/a/b/',
      {
        servers: [
          { host: 'zk1', port: 1 },
          { host: 'zk2', port: 2 },
        ],
        chroot: '/a/b',
      },
    ],
    [
      '[::1]:2182,[fe80::1]/x',
      {
        servers: [
          { host: '::1', port: 2182 },
          { host: 'fe80::1', port: 2181 },
        ],
        chroot: '/x',
      },
    ],
  ];
  for (const [text, expected] of cases)
    it(`parses "${text}"`, () => expect(parseConnectString(text)).to.deep.equal(expected));

  for (const text of [
    '',
    ',',
    '/x',
    'zk1:0',
    'zk1:65536',
    'zk1:',
    'zk1:x',
    'a b:c:d',
    '::1:2181',
    'zk1/a//b',
  ])
    it(`refuses "${text}", and names it`, () => {
      expect(() => parseConnectString(text))
        .to.throw(`"${text}"`)
        .with.property('code', 'REFUSED');
    });
});

describe('framing', () => {
  it('returns the packets that were sent, however the stream is cut', () => {
    const packets = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        packets,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }),
        (bodies, cuts) => {
          const framed = bodies.map((body) => {
            const head = Buffer.alloc(4);
            head.writeInt32BE(body.length);
            return Buffer.concat([head, body]);
          });
          const stream = Buffer.concat(framed);
          const reader = new FrameReader(100);
          const got: Buffer[] = [];
          for (let at = 0, piece = 0; at < stream.length; piece += 1) {
            const size = cuts[piece % cuts.length] ?? 1;
            got.push(...reader.push(stream.subarray(at, at + size)));
            at += size;
          }
          expect(got.map((frame) => frame.toString('hex'))).to.deep.equal(
            framed.map((frame) => frame.toString('hex')),
          );
        },
      ),
    );
  });

  it('refuses an impossible length before it reads the packet', () => {
    for (const length of [-1, -2_147_483_648, 101, 2_147_483_647]) {
      const head = Buffer.alloc(4);
      head.writeInt32BE(length);
      expect(() => new FrameReader(100).push(head)).to.throw(RangeError);
    }
  });
});

describe('liveness clock', () => {
  it('trusts the last proof for 2/3 T, never beyond T, and never in a process that has stalled', () => {
    const clock = new LivenessClock(3000, 0, 0);
    const ticked = (nowMs: number) => {
      clock.ticked(nowMs);
      return clock.read(nowMs);
    };
    expect([0, 1999, 2000, 2999, 3000].map(ticked)).to.deep.equal([
      'alive',
      'alive',
      'silent',
      'silent',
      'lost',
    ]);
    clock.proven(2500);
    expect([3000, 4499, 4500, 5500].map(ticked)).to.deep.equal(['alive', 'alive', 'silent', 'lost']);
    clock.proven(6000);
    expect(clock.read(6500)).to.equal('alive');
    expect(clock.read(6501)).to.equal('stalled');
    clock.proven(1000);
    expect(ticked(6501)).to.equal('alive');
  });
});

describe('watches', () => {
  it('give the library one function per node, however many callbacks wait, and call each callback once', () => {
    const watches = new Watches();
    const calls: string[] = [];
    const a = (): void => void calls.push('a');
    const fire = watches.add('x', a);
    expect(watches.add('x', a)).to.equal(fire);
    expect(watches.add('x', () => calls.push('b'))).to.equal(fire);
    expect(watches.add('y', a)).to.not.equal(fire);
    expect(watches.size).to.equal(3);
    fire();
    fire();
    expect(calls).to.deep.equal(['a', 'b']);
    watches.withdraw('y', a);
    expect(watches.size).to.equal(0);
  });
});
