import { expect } from 'chai';
import { judgeServer } from '../../db/audit/server-change.ts';
import { WrittenOff } from '../../db/audit/written-off.ts';
import type { KeptMark } from '../../db/keys-db/kept-marks.ts';
import { openAlarms, type WriteOff, type WriteOffKind } from '../../db/keys-db/write-offs.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { ServerIdentity } from '../../db/mysql/server-identity.ts';
import type { ServerMark } from '../../db/urls/marks.ts';

const IDENTITY: ServerIdentity = { host: 'db-1', port: 3306, serverId: 1, startedS: 1_000 };
const KEPT: KeptMark = { beat: 70, identity: IDENTITY, incarnation: 'a' };

function seen(fields: Partial<ServerMark> = {}, identity: Partial<ServerIdentity> = {}): ServerMark {
  return { beat: 70, incarnation: 'a', ...fields, identity: { ...IDENTITY, ...identity } };
}

describe('the judgement of a urls server', () => {
  for (const [what, kept, mark, kind] of [
    ['without a kept mark', undefined, seen(), 'new'],
    ['without a kept mark and without a row', undefined, seen({ beat: undefined }), 'new'],
    ['unchanged', KEPT, seen(), 'same'],
    ['with a higher beat', KEPT, seen({ beat: 71 }), 'same'],
    ['whose start time reads 2 s later', KEPT, seen({}, { startedS: 1_002 }), 'same'],
    ['whose start time reads 2 s earlier', KEPT, seen({}, { startedS: 998 }), 'same'],
    ['that started again', KEPT, seen({ beat: 70 }, { startedS: 1_003 }), 'restarted'],
    ['that started again, by a clock that was put back', KEPT, seen({}, { startedS: 400 }), 'restarted'],
    ['with a lower beat', KEPT, seen({ beat: 69 }), 'gone-back'],
    ['with a lower beat that started again', KEPT, seen({ beat: 69 }, { startedS: 2_000 }), 'gone-back'],
    ['without a row', KEPT, seen({ beat: undefined }), 'gone-back'],
    ['on another host', KEPT, seen({ beat: 71 }, { host: 'db-2' }), 'gone-back'],
    ['on another port', KEPT, seen({ beat: 71 }, { port: 3307 }), 'gone-back'],
    ['with another server_id', KEPT, seen({ beat: 71 }, { serverId: 2 }), 'gone-back'],
    ['of another incarnation', KEPT, seen({ beat: 71, incarnation: 'b' }), 'gone-back'],
    ['that has lost its incarnation', KEPT, seen({ beat: 71, incarnation: '' }), 'gone-back'],
  ] as const) {
    it(`calls one ${what} ${kind}`, () => expect(judgeServer(kept, mark).kind).to.equal(kind));
  }

  it('gives the reason with both values', () => {
    expect(judgeServer(KEPT, seen({ beat: 12 }))).to.deep.equal({
      kind: 'gone-back',
      reason: 'its mark is 12, the last one was 70',
    });
    expect(judgeServer(KEPT, seen({}, { host: 'db-2' }))).to.have.property(
      'reason',
      'another server took over: host db-2, was db-1',
    );
  });
});

function writeOff(kind: WriteOffKind, recordedS: number, fields: Partial<WriteOff> = {}): WriteOff {
  const recordedAt = new Date(recordedS * 1_000);
  const common = { urlsDb: 'urls-1', slots: 1, claimedTo: 100, reason: '' };
  return { ...common, kind, goodAt: new Date((recordedS - 5) * 1_000), recordedAt, ...fields };
}

describe('the alarm for a urls server that has gone back', () => {
  for (const [what, writeOffs, isOpen] of [
    ['nothing happened', [], false],
    ['it was restarted', [writeOff('restarted', 100)], false],
    ['it has gone back', [writeOff('gone-back', 100)], true],
    ['an operator has spoken since', [writeOff('gone-back', 100), writeOff('restored', 200)], false],
    ['an operator spoke while it was down', [writeOff('restored', 97), writeOff('gone-back', 100)], false],
    ['an operator spoke before that', [writeOff('restored', 94), writeOff('gone-back', 100)], true],
    [
      'an operator spoke about another server',
      [writeOff('gone-back', 100), writeOff('restored', 200, { urlsDb: 'urls-2' })],
      true,
    ],
    [
      'it has gone back again since',
      [writeOff('gone-back', 100), writeOff('restored', 200), writeOff('gone-back', 300)],
      true,
    ],
    ['its last good time is unknown', [writeOff('gone-back', 100, { goodAt: undefined })], true],
  ] as const) {
    it(`is ${isOpen ? 'open' : 'not open'} when ${what}`, () =>
      expect(openAlarms(writeOffs).has('urls-1')).to.equal(isOpen));
  }
});

describe('a write-off', () => {
  const key = 'aaaaaaaa';
  const slot = slotOf(key);

  it('covers the ids up to its claim mark, in its slots only', () => {
    const covers = (slots: number, id: number): boolean =>
      new WrittenOff([writeOff('restarted', 1, { slots, claimedTo: 50 })]).covers({ id, key });
    expect(covers(2 ** slot, 50)).to.equal(true);
    expect(covers(2 ** slot, 51)).to.equal(false);
    expect(covers(2 ** 32 - 1 - 2 ** slot, 50)).to.equal(false);
  });

  it('is not taken back by a later one with a lower mark', () => {
    const offs = [300, 20].map((claimedTo) => writeOff('gone-back', 1, { slots: 2 ** 32 - 1, claimedTo }));
    expect(new WrittenOff(offs).covers({ id: 300, key })).to.equal(true);
    expect(new WrittenOff([]).covers({ id: 1, key })).to.equal(false);
  });
});
