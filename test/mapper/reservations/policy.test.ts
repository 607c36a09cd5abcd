import { expect } from 'chai';
import type { Reservation } from '../../../db/reservations/reservation.ts';
import {
  after,
  fateOf,
  nextStep,
  START,
  stateOfLink,
  type End,
  type Fate,
  type LinkState,
  type Progress,
  type Step,
} from '../../../mapper/reservations/policy.ts';

const BODY = `01${'a'.repeat(62)}`;
const OTHER_BODY = `01${'b'.repeat(62)}`;
const OTHER_METHOD = `02${'b'.repeat(62)}`;
const createdAt = new Date(0);
const STORED: Reservation = {
  key: 'stored',
  requestId: 'r1',
  createdAt,
  fingerprint: BODY,
  isExpired: false,
};
const IN_HAND = { key: 'drawn', requestId: 'r2', createdAt };

describe('the next step of a reservation', () => {
  /** What is known, and the step for `find_if_exists`, for that with an alias, and for an Idempotency-Key. */
  const table: readonly (readonly [
    known: Partial<Progress>,
    dedupe: string,
    withAlias: string,
    idempotency: string,
  ])[] = [
    [{}, 'read', 'read', 'read'],
    [{ candidate: IN_HAND }, 'read', 'read', 'read'],
    [{ reservation: 'absent' }, 'choose', 'choose', 'choose'],
    [{ reservation: 'absent', candidate: IN_HAND }, 'insert r2', 'insert r2', 'insert r2'],
    [{ reservation: STORED }, 'look r1', 'look r1', 'look r1'],
    [{ reservation: STORED, candidate: IN_HAND }, 'look r1', 'look r1', 'look r1'],
    [{ reservation: STORED, link: 'unbound' }, 'bind r1', 'bind r1', 'bind r1'],
    [{ reservation: STORED, link: 'stale' }, 'choose', 'taken', 'choose'],
    [{ reservation: STORED, link: 'stale', candidate: IN_HAND }, 'r1 → r2', 'taken', 'r1 → r2'],
    [{ reservation: STORED, link: 'living' }, 'repeat r1', 'repeat r1', 'repeat r1'],
    [{ reservation: STORED, link: 'over' }, 'choose', 'taken', 'repeat r1'],
    [{ reservation: STORED, link: 'over', candidate: IN_HAND }, 'r1 → r2', 'taken', 'repeat r1'],
    [{ reservation: STORED, link: 'others' }, 'choose', 'taken', 'choose'],
    [{ reservation: STORED, link: 'others', candidate: IN_HAND }, 'r1 → r2', 'taken', 'r1 → r2'],
    [{ reservation: { ...STORED, isExpired: true } }, 'choose', 'choose', 'choose'],
    [{ reservation: { ...STORED, isExpired: true }, candidate: IN_HAND }, 'r1 → r2', 'r1 → r2', 'r1 → r2'],
    [{ reservation: { ...STORED, fingerprint: OTHER_BODY } }, 'look r1', 'look r1', 'other-body'],
    [{ reservation: { ...STORED, fingerprint: OTHER_BODY, isExpired: true } }, 'choose', 'choose', 'choose'],
    [{ reservation: { ...STORED, fingerprint: OTHER_METHOD } }, 'look r1', 'look r1', 'look r1'],
    [
      { reservation: 'absent', candidate: IN_HAND, isWritten: true },
      'let-go unresolved',
      'let-go unresolved',
      'let-go unresolved',
    ],
    [
      { reservation: STORED, link: 'others', candidate: IN_HAND, isWritten: true },
      'let-go unresolved',
      'taken',
      'let-go unresolved',
    ],
    // The candidate was reserved.
    [{ ...reserved('unbound') }, 'bind r2', 'bind r2', 'bind r2'],
    [{ ...reserved('living') }, 'first r2', 'first r2', 'first r2'],
    [{ ...reserved('over') }, 'let-go bound', 'taken', 'first r2'],
    [{ ...reserved('others') }, 'let-go duplicate', 'taken', 'let-go duplicate'],
    // It had expired when it was written, as had the link that is asked for.
    [{ ...expired(reserved(undefined)) }, 'look r2', 'look r2', 'let-go unresolved'],
    [{ ...expired(reserved('unbound')) }, 'bind r2', 'bind r2', 'let-go unresolved'],
    [{ ...expired(reserved('living')) }, 'first r2', 'first r2', 'let-go bound'],
    [{ ...expired(reserved('over')) }, 'let-go bound', 'taken', 'let-go bound'],
  ];
  for (const [known, ...steps] of table) {
    it(`knowing ${nameOf(known)}: ${[...new Set(steps)].join(', ')}`, () => {
      const progress = { ...START, ...known };
      const found = (['dedupe', 'dedupe', 'idempotency'] as const).map((kind, index) =>
        nameOfStep(
          nextStep({ kind, fingerprint: BODY, alias: index === 1 ? 'stored' : undefined }, progress),
        ),
      );
      expect(found).to.deep.equal(steps);
    });
  }

  it('after a write without an answer, and after one that came too late, the reservation is read', () => {
    const question = { kind: 'dedupe', fingerprint: BODY, alias: undefined } as const;
    const inserting: Progress = { ...START, reservation: 'absent', candidate: IN_HAND };
    for (const did of ['insert', 'replace'] as const) {
      const unknown = after(question, inserting, { did, outcome: 'unknown' });
      expect(unknown).to.deep.equal({ ...START, candidate: IN_HAND, isWritten: true });
      expect(after(question, inserting, { did, outcome: false })).to.deep.equal({
        ...START,
        candidate: IN_HAND,
      });
    }
  });

  it('a key that is taken when it is bound is looked up before anything is concluded', () => {
    const question = { kind: 'dedupe', fingerprint: BODY, alias: undefined } as const;
    const known = after(question, reserved('unbound'), { did: 'bind', outcome: 'taken' });
    expect(nameOfStep(nextStep(question, known))).to.equal('look r2');
  });
});

describe('the key in hand', () => {
  const table: readonly (readonly [Partial<Progress>, Fate | undefined])[] = [
    [{}, undefined],
    [{ reservation: STORED, link: 'living' }, undefined],
    [{ candidate: IN_HAND }, 'unused'],
    [{ candidate: IN_HAND, reservation: STORED, link: 'living' }, 'unused'],
    [{ candidate: IN_HAND, isWritten: true }, 'unresolved'],
    [{ candidate: IN_HAND, isWritten: true, reservation: STORED, link: 'living' }, 'unresolved'],
    [reserved(undefined), 'unresolved'],
    [reserved('unbound'), 'unresolved'],
    [reserved('living'), 'bound'],
    [reserved('over'), 'bound'],
    [reserved('others'), 'duplicate'],
  ];
  for (const [known, fate] of table) {
    it(`knowing ${nameOf(known)}, it is ${fate ?? 'none'}`, () => {
      expect(fateOf({ ...START, ...known })).to.equal(fate);
    });
  }
});

describe('the link of a reserved key', () => {
  const longUrl = 'https://example.com/';
  const link = { requestId: 'r1', longUrl, isOver: false, isChanged: false };
  const table: readonly (readonly [string, Parameters<typeof stateOfLink>[0], LinkState])[] = [
    ['nobody has bound', undefined, 'unbound'],
    ['was bound with the request id', link, 'living'],
    ['was bound and is over', { ...link, isOver: true }, 'over'],
    ['has another target now', { ...link, longUrl: 'https://example.com/other' }, 'over'],
    ['was cleared long ago', { ...link, longUrl: null, isOver: true }, 'over'],
    ['another request has bound', { ...link, requestId: 'r9' }, 'others'],
    ['another request has bound, and which is over', { ...link, requestId: 'r9', isOver: true }, 'others'],
  ];
  for (const [what, found, state] of table) {
    it(`that ${what} is ${state}`, () => {
      expect(stateOfLink(found, STORED, { longUrl, isOwned: true })).to.equal(state);
    });
  }

  it('that was changed since is living only if it has no owner', () => {
    const changed = { ...link, isChanged: true };
    expect(stateOfLink(changed, STORED, { longUrl, isOwned: true })).to.equal('over');
    expect(stateOfLink(changed, STORED, { longUrl, isOwned: false })).to.equal('living');
  });
});

function reserved(link: LinkState | undefined): Progress {
  return { ...START, reservation: { ...STORED, ...IN_HAND }, link, candidate: IN_HAND, isWritten: true };
}

function expired(progress: Progress): Progress {
  return { ...progress, reservation: { ...STORED, ...IN_HAND, isExpired: true } };
}

function nameOf({ reservation, link, candidate, isWritten }: Partial<Progress>): string {
  const stored =
    typeof reservation === 'object'
      ? `${reservation.requestId}${reservation.isExpired ? ' expired' : ''} of ${reservation.fingerprint.slice(0, 3)}`
      : reservation;
  const parts = [stored, link, candidate && `${candidate.requestId} in hand`, isWritten && 'perhaps written'];
  return parts.filter(Boolean).join(', ') || 'nothing';
}

function nameOfStep(step: Step): string {
  switch (step.do) {
    case 'insert':
    case 'look':
    case 'bind':
      return `${step.do} ${step.link.requestId}`;
    case 'replace':
      return `${step.before} → ${step.link.requestId}`;
    case 'let-go':
      return `let-go ${step.fate}`;
    case 'end':
      return nameOfEnd(step.end);
    case 'read':
    case 'choose':
      break;
  }
  return step.do;
}

function nameOfEnd(end: End): string {
  if (end.answer !== 'made') return end.answer;
  return `${end.isFirst ? 'first' : 'repeat'} ${end.link.requestId}`;
}
