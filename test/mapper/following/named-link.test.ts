import { expect } from 'chai';
import { findNamedLink } from '../../../mapper/redirect/named-link.ts';

/** What a path may mean where codes of other shorteners are known, and where none are. */
const PATHS: readonly (readonly [path: string, known: readonly string[], unknown?: readonly string[]])[] = [
  ['/abc123', ['abc123']],
  ['/%61bc123', ['abc123']],
  ['/abc123.', ['abc123']],
  ['/abc123/', ['abc123']],
  ['/abc123%E2%80%8B', ['abc123']],
  ['/abc123%22%3E', ['abc123']],
  ['/ab', ['ab'], []],
  ['/1', ['1'], []],
  ['/1.', ['1'], []],
  ['/team/plan/', ['team/plan'], []],
  ['/team/plan).', ['team/plan'], []],
  ['/caf%C3%A9.', ['caf%C3%A9', 'caf'], ['caf']],
  ['/caf%C3%A9', ['caf%C3%A9', 'caf'], ['caf']],
  ['/abc12345%E7%9A%84', ['abc12345']],
  ['/abc12345%F0%9F%91%8D', ['abc12345']],
  ['/.well-known/acme-challenge/abc', [], []],
  ['/x%FF.', [], []],
  ['/...', [], []],
  ['/abc/def', ['abc/def'], []],
  ['/abc%2fdef', ['abc/def'], []],
  ['/abc.d', ['abc.d'], []],
  ['/b%c3%bccher', ['b%C3%BCcher'], []],
  ['/b%C3%BCcher.', ['b%C3%BCcher'], []],
  ['/b%C3%BCcher%E2%80%8B', ['b%C3%BCcher'], []],
  [`/${'a'.repeat(65)}`, ['a'.repeat(65)], []],
  [`/${'a'.repeat(256)}`, [], []],
  [`/${'%D1%8F'.repeat(43)}`, [], []],
  ['/wp-login.php', ['wp-login.php'], []],
  ['/urls/x', [], []],
  ['/%55rls/x', [], []],
  ['/URLS.json/x', [], []],
  ['/robots', [], []],
  ['/../x', [], []],
  ['/%2e%2e/x', [], []],
  ['/a//b', [], []],
  ['/%00abc', [], []],
  ['/%zz', ['%25zz'], []],
  ['/', [], []],
];

const PREVIEWS: readonly (readonly [path: string, keys: readonly string[]])[] = [
  ['/abc123+', ['abc123']],
  ['/abc123%2B', ['abc123']],
  ['/abc123%2b', ['abc123']],
  ['/abc123+/', ['abc123']],
  ['/abc123+).', ['abc123']],
  ['/abc123.+', ['abc123']],
  ['/team/plan+', ['team/plan']],
  ['/team/plan.+', ['team/plan']],
  ['/team/plan++', []],
  ['/b%C3%BCcher+', ['b%C3%BCcher']],
  ['/urls+', []],
  ['/abc123++', []],
  ['/+', []],
];

describe('the link that a path names', () => {
  for (const [path, known, unknown = known] of PATHS)
    it(`is ${known.join(' or ').slice(0, 40) || 'none'} for ${path.slice(0, 40)}`, () => {
      expect(findNamedLink(path, () => true)).to.deep.equal({ keys: known, isPreview: false });
      expect(findNamedLink(path, () => false)).to.deep.equal({ keys: unknown, isPreview: false });
    });

  for (const [path, keys] of PREVIEWS)
    it(`is previewed by ${path}: ${keys.join(' or ') || 'none'}`, () =>
      expect(findNamedLink(path, () => true).keys).to.deep.equal(keys));

  it('is no preview where the + is inside', () => {
    expect(findNamedLink('/a+b', () => true)).to.deep.equal({ keys: ['a%2Bb'], isPreview: false });
    expect(findNamedLink('/abc123+', () => false).isPreview).to.equal(true);
  });
});
