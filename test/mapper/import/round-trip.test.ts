import { expect } from 'chai';
import {
  array,
  assert,
  asyncProperty,
  boolean,
  constantFrom,
  date,
  integer,
  option,
  record,
  string,
} from 'fast-check';
import type { ImportedLink } from '../../../mapper/import/outcome.ts';
import { CSV_HEADER, toCsvLine, toNdjsonLine } from '../../../mapper/import/write-links.ts';
import type { WholeLink } from '../../../mapper/shorten/whole-link.ts';
import { readAll } from './reading.ts';

const awkward = constantFrom(...Array.from('\'"=+-@,;|[]{}\\ \u00a0aé🚀'));
/** Texts that the API takes: without control characters, with all that a table could stumble over. */
const text = (min: number, max: number) =>
  string({ unit: awkward, minLength: min, maxLength: max }).filter((made) => made.length <= 2 * max);
const time = date({
  min: new Date('2000-01-01T00:00:00Z'),
  max: new Date('2026-11-01T00:00:00Z'),
  noInvalidDate: true,
});
const code = string({
  unit: constantFrom('a', 'b', 'c', 'X', 'Y', 'Z', '0', '1', '9', '-', '_'),
  minLength: 3,
  maxLength: 12,
});

const links = array(
  record({
    unique_id: code.filter((made) => !/^(?:api|qr)/i.test(made)),
    path: text(0, 20),
    createdAt: time,
    expiresAt: option(time),
    validFrom: option(time),
    title: option(text(1, 60)),
    tags: array(text(1, 10), { maxLength: 5 }),
    redirectType: constantFrom(301, 302, 307, 308),
    forwardQuery: boolean(),
    visits: option(record({ max: integer({ min: 1, max: 1_000_000 }), left: integer({ min: 0, max: 10 }) })),
    disabled: boolean(),
    expiredPath: option(text(0, 20)),
    noindex: boolean(),
    targets: array(
      constantFrom<WholeLink['targets'][number]>(
        { when: { device: ['ios', 'android'] }, long_url: 'https://example.com/a,b' },
        { when: { country: ['DE'], language: ['pt-BR'] }, long_url: 'https://example.com/%22' },
        { when: {}, long_url: 'https://example.com/' },
      ),
      { maxLength: 3 },
    ),
    humans: integer({ min: 0, max: 1e9 }),
    bots: integer({ min: 0, max: 1e9 }),
  }).map((made): WholeLink => ({
    unique_id: made.unique_id,
    short_url: `https://s.example/${made.unique_id}`,
    long_url: new URL(`https://example.com/a/${made.path}`).href,
    created_at: made.createdAt.toISOString(),
    updated_at: made.createdAt.toISOString(),
    expiration_date: made.expiresAt?.toISOString() ?? null,
    valid_from: made.validFrom?.toISOString() ?? null,
    title: made.title,
    tags: [...new Set(made.tags)],
    redirect_type: made.redirectType,
    forward_query: made.forwardQuery,
    max_visits: made.visits?.max ?? null,
    visits_left: made.visits?.left ?? null,
    has_password: false,
    expired_url:
      made.expiredPath === null ? null : new URL(`https://example.com/over/${made.expiredPath}`).href,
    noindex: made.noindex,
    targets: made.targets,
    image: null,
    disabled: made.disabled,
    blocked: null,
    deleted_at: null,
    clicks: { total: made.humans + made.bots, humans: made.humans, bots: made.bots },
    version: 3,
  })),
  { minLength: 1, maxLength: 8 },
).map((made) => [...new Map(made.map((link) => [link.unique_id, link])).values()]);

const PLAIN: WholeLink = {
  unique_id: 'abc12345',
  short_url: 'https://s.example/abc12345',
  long_url: 'https://example.com/',
  created_at: '2024-01-02T03:04:05.678Z',
  updated_at: '2024-01-02T03:04:05.678Z',
  expiration_date: null,
  valid_from: null,
  title: null,
  tags: [],
  redirect_type: 302,
  forward_query: false,
  max_visits: null,
  visits_left: null,
  has_password: false,
  expired_url: null,
  noindex: false,
  targets: [],
  image: null,
  disabled: false,
  blocked: null,
  deleted_at: null,
  clicks: { total: 0, humans: 0, bots: 0 },
  version: 1,
};

/** What an import of an exported link must make. */
function expected(link: WholeLink): ImportedLink {
  const { long_url, created_at, expiration_date, valid_from, title, tags, redirect_type } = link;
  const { forward_query, max_visits, visits_left, disabled, expired_url, noindex, targets } = link;
  return {
    code: link.unique_id,
    former_code: null,
    long_url,
    created_at,
    expiration_date,
    valid_from,
    title,
    tags,
    redirect_type,
    forward_query,
    max_visits,
    visits_left,
    disabled,
    expired_url,
    noindex,
    targets: targets as ImportedLink['targets'],
    clicks: { humans: link.clicks.humans, bots: link.clicks.bots },
  };
}

describe('an export that is read again', () => {
  for (const [format, write] of [
    ['ndjson', (made: readonly WholeLink[]) => made.map(toNdjsonLine).join('')],
    ['csv', (made: readonly WholeLink[]) => CSV_HEADER + made.map(toCsvLine).join('')],
  ] as const) {
    it(`${format}: the same links, field by field, and nothing left out`, async () => {
      await assert(
        asyncProperty(links, async (made) => {
          const { outcomes, summary } = await readAll(write(made));
          expect(outcomes.map((outcome) => ('link' in outcome ? outcome.link : outcome))).to.deep.equal(
            made.map(expected),
          );
          expect(outcomes.flatMap((outcome) => ('notes' in outcome ? outcome.notes : []))).to.deep.equal([]);
          expect({ format: summary.format, leftOut: summary.left_out }).to.deep.equal({
            format,
            leftOut: {},
          });
        }),
        { numRuns: 300 },
      );
    });
  }

  it('says why a link with a password, a deleted and a blocked one are not made again', async () => {
    const made = [
      { ...PLAIN, has_password: true },
      { ...PLAIN, deleted_at: PLAIN.created_at },
      { ...PLAIN, blocked: 'spam' },
    ];
    for (const file of [made.map(toNdjsonLine).join(''), CSV_HEADER + made.map(toCsvLine).join('')]) {
      const { outcomes } = await readAll(file);
      expect(outcomes.map((outcome) => 'reason' in outcome && outcome.reason)).to.deep.equal([
        'protected-link',
        'banned-link',
        'banned-link',
      ]);
    }
  });

  for (const [title, cell] of [
    ['=1', "'=1"],
    ["'=1", "''=1"],
    ["''@a", "'''@a"],
    ["'a", "'a"],
    ['-a', "'-a"],
    ['a=1', 'a=1'],
    ['+1, "2"', '"\'+1, ""2"""'],
    [' a', '" a"'],
  ] as const) {
    it(`CSV: the title ${title} is written as ${cell}, and read again`, async () => {
      const line = toCsvLine({ ...PLAIN, title });
      expect(line).to.include(`,,,${cell},,302,`).and.match(/\r\n$/);
      const { outcomes } = await readAll(CSV_HEADER + line);
      expect(outcomes).to.have.nested.property('[0].link.title', title);
    });
  }
});
