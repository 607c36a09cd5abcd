import { expect } from 'chai';
import type { ImageRow } from '../../../db/own-links/image-rows.ts';
import { judge, parseBlobName, UNBOUND_MS, type Verdict } from '../../../mapper/images/sweep.ts';

const HASH = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
const NOW = Date.parse('2026-11-29T00:00:00Z');
const OLD = new Date(NOW - UNBOUND_MS - 1);
const YOUNG = new Date(NOW - UNBOUND_MS);

const image = {
  type: 'png',
  width: 1,
  height: 1,
  bytes: 1,
  sha256: HASH,
  deleteTokenHash: HASH,
} as const;

function row(fields: Partial<ImageRow> = {}): ImageRow {
  return {
    key: 'Kxxxxxxx',
    slot: 1,
    rules: { image },
    userId: null,
    createdAt: OLD,
    expiresAt: null,
    deletedAt: null,
    isGone: false,
    hasLapsed: false,
    ...fields,
  };
}

const remove = (why: string): unknown => ({ kind: 'delete', why });
const keep = { kind: 'keep' };
const unknown = (why: string): unknown => ({ kind: 'unknown', why });

/** [what, row, an old blob of these bytes, a young one, an old one of other bytes] */
const CASES: readonly (readonly [string, ImageRow | 'not-read' | undefined, unknown, unknown, unknown])[] = [
  ['no row', undefined, remove('unbound'), keep, remove('unbound')],
  ['a row that nobody could read', 'not-read', unknown('not-read'), unknown('not-read'), unknown('not-read')],
  ['an image', row(), keep, keep, remove('other-bytes')],
  ['one that is switched off', row({ rules: { image, disabled: true } }), keep, keep, remove('other-bytes')],
  ['one that is blocked', row({ rules: { image, blocked: 'x' } }), keep, keep, remove('other-bytes')],
  ['one that can be restored', row({ deletedAt: OLD }), keep, keep, remove('other-bytes')],
  ['one that was deleted long ago', row({ deletedAt: OLD, isGone: true }), remove('deleted'), remove('deleted'), remove('deleted')],
  ['a cleared row', row({ rules: {}, deletedAt: OLD, isGone: true }), remove('deleted'), remove('deleted'), remove('deleted')],
  ['one that has expired', row({ expiresAt: OLD }), keep, keep, remove('other-bytes')],
  ['one that expired long ago', row({ expiresAt: OLD, hasLapsed: true }), remove('expired'), remove('expired'), remove('other-bytes')],
  ['one that expired long ago, and was deleted now', row({ expiresAt: OLD, hasLapsed: true, deletedAt: YOUNG }), keep, keep, remove('other-bytes')],
  ['a link that is no image', row({ rules: {} }), remove('other-link'), keep, remove('other-link')],
  ['rules of a newer program', row({ rules: { image, newer: 1 } }), unknown('rules'), unknown('rules'), unknown('rules')],
  ['an image of a newer program', row({ rules: { image: { ...image, more: 1 } as never } }), unknown('rules'), unknown('rules'), unknown('rules')],
]; // prettier-ignore

describe('what is swept', () => {
  const verdict = (found: ImageRow | 'not-read' | undefined, storedAt: Date, sha256 = HASH): Verdict =>
    judge({ name: `images/Kxxxxxxx/${sha256}`, storedAt }, found, NOW);

  for (const [what, found, old, young, other] of CASES)
    it(`bytes of ${what}`, () => {
      expect(verdict(found, OLD), 'old').to.deep.equal(old);
      expect(verdict(found, YOUNG), 'young').to.deep.equal(young);
      expect(verdict(found, OLD, OTHER), 'other bytes').to.deep.equal(other);
      const thumbnail = judge({ name: `images/Kxxxxxxx/${HASH}-320`, storedAt: OLD }, found, NOW);
      expect(thumbnail, 'thumbnail').to.deep.equal(old);
    });

  for (const name of [
    'images/Kxxxxxxx',
    `images/Kxxxxxxx/${HASH}-161`,
    `images/Kxxxxxxx/${HASH}-0160`,
    `images/Kxxxxxxx/${HASH}/x`,
    `images/Kxxxxxxx/${HASH.toUpperCase()}`,
    `images//${HASH}`,
    `other/Kxxxxxxx/${HASH}`,
    `images/Kxxxxxxx/${HASH}\n`,
  ])
    it(`never ${JSON.stringify(name)}, which is no name of ours`, () => {
      expect(parseBlobName(name)).to.equal(undefined);
      expect(judge({ name, storedAt: OLD }, undefined, NOW)).to.deep.equal(unknown('name'));
    });
});
