import { expect } from 'chai';
import type { LinkRules } from '../../../db/urls/link-rules.ts';
import { judgeVisit, type Outcome } from '../../../mapper/following/judge-visit.ts';
import type { Visitor } from '../../../mapper/following/visitor.ts';

const TARGET = 'https://example.com/target?a=1#top';
const NOW_MS = Date.parse('2026-11-28T12:00:00.000Z');
const EARLIER = '2026-11-28T11:59:59.999Z';
const LATER = '2026-11-28T12:00:00.001Z';

const VISITOR: Visitor = {
  method: 'GET',
  isPreview: false,
  query: undefined,
  device: undefined,
  country: undefined,
  languages: [],
  isPreviewBot: false,
  isPrefetch: false,
};

interface Case {
  readonly rules: LinkRules;
  readonly visitor?: Partial<Visitor>;
  readonly longUrl?: string | undefined;
  readonly expiresAtMs?: number;
  readonly isPassing?: { readonly password?: boolean; readonly visit?: boolean };
  readonly outcome: Outcome;
}

const HIDDEN: Outcome = { kind: 'preview', location: undefined };
const to = (location: string, status: 301 | 302 | 303 | 307 | 308 = 302): Outcome => ({
  kind: 'redirect',
  status,
  location,
});
const refused = (why: (Outcome & { kind: 'refused' })['why']): Outcome => ({ kind: 'refused', why });

const CASES: Readonly<Record<string, Case>> = {
  'no rule': { rules: {}, outcome: to(TARGET) },
  'another type': { rules: { redirectType: 307 }, outcome: to(TARGET, 307) },
  'a form': { rules: { redirectType: 307 }, visitor: { method: 'POST' }, outcome: to(TARGET, 303) },
  'not valid yet': { rules: { validFrom: LATER }, outcome: refused('unknown') },
  'valid from this moment': { rules: { validFrom: '2026-11-28T12:00:00.000Z' }, outcome: to(TARGET) },
  'a time that is none': { rules: { validFrom: 'soon' }, outcome: refused('unknown') },
  'disabled and not valid yet': {
    rules: { validFrom: LATER, disabled: true, blocked: 'x' },
    outcome: refused('unknown'),
  },
  'disabled and blocked': { rules: { disabled: true, blocked: 'x' }, outcome: refused('blocked') },
  'disabled and expired': {
    rules: { disabled: true, expiredUrl: 'https://example.com/gone' },
    expiresAtMs: NOW_MS,
    outcome: refused('disabled'),
  },
  deleted: { rules: {}, longUrl: undefined, outcome: refused('deleted') },
  'expired, with nowhere to go': { rules: {}, expiresAtMs: NOW_MS, outcome: refused('expired') },
  'expired, with somewhere to go': {
    rules: {
      expiredUrl: 'https://example.com/gone',
      redirectType: 308,
      forwardQuery: true,
      passwordHash: 'x',
    },
    visitor: { query: 'b=2' },
    expiresAtMs: NOW_MS,
    outcome: to('https://example.com/gone'),
  },
  'a preview of an expired one': {
    rules: { expiredUrl: 'https://example.com/gone' },
    visitor: { isPreview: true },
    expiresAtMs: NOW_MS,
    outcome: { kind: 'preview', location: 'https://example.com/gone' },
  },
  'a query with a byte that no header may have': {
    rules: { forwardQuery: true, maxVisits: 1 },
    visitor: { query: 'b=\f' },
    isPassing: { visit: true },
    outcome: refused('unusable'),
  },
  'a target that is blank': { rules: {}, longUrl: ' ', outcome: refused('unusable') },
  'a target among others that is blank': {
    rules: { targets: [{ when: {}, longUrl: ' ' }] },
    outcome: refused('unusable'),
  },
  'a query that is not forwarded': { rules: {}, visitor: { query: 'b=2' }, outcome: to(TARGET) },
  'a forwarded query': {
    rules: { forwardQuery: true },
    visitor: { query: 'a=2&b' },
    outcome: to('https://example.com/target?a=1&a=2&b#top'),
  },
  'a forwarded query behind the target of an iPhone': {
    rules: {
      forwardQuery: true,
      targets: [
        { when: { device: ['android'] }, longUrl: 'https://a.example/' },
        { when: { device: ['ios', 'macos'] }, longUrl: 'https://i.example/' },
        { when: {}, longUrl: 'https://all.example/' },
      ],
    },
    visitor: { device: 'ios', query: 'b=2' },
    outcome: to('https://i.example/?b=2'),
  },
  'a Location that is just not too long': {
    rules: { forwardQuery: true },
    visitor: { query: 'b'.repeat(100 - TARGET.length - 1) },
    outcome: to(`https://example.com/target?a=1&${'b'.repeat(100 - TARGET.length - 1)}#top`),
  },
  'a Location that is too long': {
    rules: { forwardQuery: true },
    visitor: { query: 'b'.repeat(100 - TARGET.length) },
    outcome: { kind: 'too-long' },
  },
  'a target that is longer by itself': {
    rules: { forwardQuery: true },
    longUrl: `https://example.com/${'c'.repeat(100)}`,
    outcome: to(`https://example.com/${'c'.repeat(100)}`),
  },
  'a preview': {
    rules: { forwardQuery: true },
    visitor: { isPreview: true, query: 'b=2' },
    outcome: { kind: 'preview', location: 'https://example.com/target?a=1&b=2#top' },
  },
  'HEAD, a bot and a prefetch of an open link': {
    rules: {},
    visitor: { method: 'HEAD', isPreviewBot: true, isPrefetch: true },
    outcome: to(TARGET),
  },
  'a password': { rules: { passwordHash: 'x' }, isPassing: { password: true }, outcome: to(TARGET) },
  'a number of visits': { rules: { maxVisits: 1 }, isPassing: { visit: true }, outcome: to(TARGET) },
  both: {
    rules: { passwordHash: 'x', maxVisits: 1, redirectType: 301 },
    isPassing: { password: true, visit: true },
    outcome: to(TARGET, 301),
  },
  'a password, and a Location that is too long': {
    rules: { passwordHash: 'x', forwardQuery: true },
    visitor: { query: 'b'.repeat(100) },
    isPassing: { password: true },
    outcome: { kind: 'too-long' },
  },
  'a preview of a password': { rules: { passwordHash: 'x' }, visitor: { isPreview: true }, outcome: HIDDEN },
  'a preview of a number of visits': {
    rules: { maxVisits: 1 },
    visitor: { isPreview: true },
    outcome: HIDDEN,
  },
  'a bot at a password': { rules: { passwordHash: 'x' }, visitor: { isPreviewBot: true }, outcome: HIDDEN },
  'HEAD at a password': {
    rules: { passwordHash: 'x' },
    visitor: { method: 'HEAD' },
    outcome: { kind: 'silent' },
  },
  'HEAD at a number of visits': {
    rules: { maxVisits: 1 },
    visitor: { method: 'HEAD', isPrefetch: true },
    outcome: { kind: 'silent' },
  },
  'a prefetch of a number of visits': {
    rules: { maxVisits: 1, passwordHash: 'x' },
    visitor: { isPrefetch: true },
    outcome: { kind: 'not-now' },
  },
  'a prefetch of a password': {
    rules: { passwordHash: 'x' },
    visitor: { isPrefetch: true },
    isPassing: { password: true },
    outcome: to(TARGET),
  },
};

describe('the policy of a visit', () => {
  for (const [name, { rules, visitor, isPassing = {}, expiresAtMs, outcome, ...given }] of Object.entries(
    CASES,
  ))
    it(`says what becomes of ${name}`, () => {
      const longUrl = 'longUrl' in given ? given.longUrl : TARGET;
      const link = { longUrl, expiresAtMs, rules };
      const verdict = judgeVisit(link, { ...VISITOR, ...visitor }, { nowMs: NOW_MS, maxLocationBytes: 100 });
      expect(verdict.outcome).to.deep.equal(outcome);
      expect(verdict.passwordHash).to.equal(isPassing.password === true ? 'x' : undefined);
      expect(verdict.takesVisit).to.equal(isPassing.visit === true);
    });

  it('follows a link that is valid since earlier, and expires later', () => {
    const link = { longUrl: TARGET, expiresAtMs: Date.parse(LATER), rules: { validFrom: EARLIER } };
    const verdict = judgeVisit(link, VISITOR, { nowMs: NOW_MS, maxLocationBytes: 100 });
    expect(verdict).to.deep.include({ outcome: to(TARGET), isExpired: false });
  });
});
