import { expect } from 'chai';
import { ImagesKeeper, type ImagesVerdict } from '../../drills/check/images.ts';
import { RedirectTimesKeeper } from '../../drills/check/redirect-times.ts';
import type {
  HistoryEntry,
  ImageDeleteEntry,
  ImagePostEntry,
  ImageViewEntry,
} from '../../drills/history/history.ts';

/** A key whose image is picture 1, acknowledged at 10 ms. Views take 1 ms, other requests 10 ms. */
const KEY = 'Img12345';
const MADE = post(0, { n: 1 });
const FAULT = { fromMs: 1_000, toMs: 2_000, slotsDown: new Set<number>() };

function post(at: number, fields: Partial<ImagePostEntry> = {}): ImagePostEntry {
  return { op: 'image-post', at, ms: 10, n: 2, outcome: 'acked', key: KEY, via: 'mapper-1', ...fields };
}

function view(at: number, saw: ImageViewEntry['saw'], fields: Partial<ImageViewEntry> = {}): ImageViewEntry {
  return { op: 'image-view', at, ms: 1, key: KEY, saw, via: 'mapper-2', ...fields };
}

function deletion(at: number, fields: Partial<ImageDeleteEntry> = {}): ImageDeleteEntry {
  return { op: 'image-delete', at, ms: 10, key: KEY, outcome: 'acked', via: 'mapper-1', ...fields };
}

function judge(...entries: HistoryEntry[]): ImagesVerdict {
  const keeper = new ImagesKeeper([FAULT]);
  for (const entry of entries) keeper.add(entry);
  return keeper.result();
}

const LAST = { isLast: true } as const;
const REFUSED = { outcome: 'refused', retryAfter: true } as const;

const CORRECT: Readonly<Record<string, readonly HistoryEntry[]>> = {
  'its bytes, refusals and answers that break off': [view(20, 1), view(30, 'refused'), view(40, 'nothing')],
  'its bytes at the end': [view(5_000, 1, LAST)],
  'either answer while it is deleted': [deletion(100), view(105, 1), view(106, 'deleted')],
  'either answer after a deletion without an answer': [
    deletion(100, { outcome: 'unknown' }),
    view(150, 'deleted'),
    view(160, 1),
    view(5_000, 'deleted', LAST),
  ],
  'its bytes within the time that the answer to its deletion gives': [
    deletion(100, { lagMs: 500 }),
    view(600, 1),
    view(611, 'deleted'),
  ],
  'its bytes after a deletion that was refused': [deletion(100, { outcome: 'refused' }), view(150, 1)],
  'pictures that are refused with Retry-After': [post(100, REFUSED)],
};

type Finding = Partial<Pick<ImagesVerdict, 'wrongBytes' | 'lost' | 'seenAfterDeletion' | 'givenAgain'>>;

const PLANTED: readonly (readonly [name: string, found: Finding, entries: readonly HistoryEntry[]])[] = [
  ['the bytes of another image', { wrongBytes: 1 }, [view(20, 2)]],
  ['bytes of no picture', { wrongBytes: 1 }, [view(20, 'other bytes')]],
  ['the bytes of another image after its deletion', { wrongBytes: 1 }, [deletion(100), view(120, 2)]],
  ['an image that does not exist', { lost: 1 }, [view(20, '404')]],
  ['an image that a mapper fails to show', { lost: 1 }, [view(20, '500')]],
  ['an image that nobody deleted and is gone', { lost: 1 }, [view(20, 'deleted')]],
  [
    'an image that is gone before its deletion was asked for',
    { lost: 1 },
    [deletion(100), view(50, 'deleted')],
  ],
  [
    'an image that is gone although its deletion was refused',
    { lost: 1 },
    [deletion(100, { outcome: 'refused' }), view(150, 'deleted')],
  ],
  ['an image that is not deleted but unknown', { lost: 1 }, [deletion(100), view(150, '404')]],
  ['an image that is refused at the end', { lost: 1 }, [view(5_000, 'refused', LAST)]],
  ['an image without a whole answer at the end', { lost: 1 }, [view(5_000, 'nothing', LAST)]],
  ['an image after its deletion', { seenAfterDeletion: 1 }, [deletion(100), view(111, 1)]],
  [
    'an image after the time that the answer gave',
    { seenAfterDeletion: 1 },
    [deletion(100, { lagMs: 50 }), view(161, 1)],
  ],
  ['a key that another image gets', { givenAgain: 1 }, [post(500)]],
  [
    'a key that a link gets',
    { givenAgain: 1 },
    [{ op: 'shorten', at: 500, ms: 2, n: 1, outcome: 'acked', key: KEY }],
  ],
  [
    'a picture that is refused without Retry-After',
    {},
    [post(100, { outcome: 'refused', retryAfter: false })],
  ],
];

describe('the checker over a history of images', () => {
  for (const [name, entries] of Object.entries(CORRECT))
    it(`allows ${name}`, () => {
      expect(judge(MADE, ...entries).violations).to.deep.equal([]);
      expect(judge(MADE, ...entries.toReversed()).violations, 'in another order').to.deep.equal([]);
    });

  for (const [name, found, entries] of PLANTED)
    it(`finds ${name}`, () => {
      const none = { wrongBytes: 0, lost: 0, seenAfterDeletion: 0, givenAgain: 0 };
      const { violations, ...counts } = judge(MADE, ...entries);
      expect(counts).to.include({ ...none, ...found });
      expect(violations).to.have.length(1);
    });

  it('counts what clients saw', () => {
    const entries = [
      post(1_100, { ...REFUSED, ms: 700 }),
      post(1_200, { outcome: 'unknown', n: 3 }),
      post(1_300, { outcome: 'failed', n: 4 }),
      view(1_400, 'refused', { ms: 300 }),
      view(1_500, 'nothing'),
      view(2_250, 'refused'),
      view(90_000, 'refused'),
      deletion(3_000),
    ];
    expect(judge(MADE, ...entries)).to.include({
      posts: 4,
      acked: 1,
      failed: 1,
      refused: 1,
      unknown: 1,
      deleted: 1,
      views: 4,
      viewsRefused: 3,
      viewsBrokenOff: 1,
      refusedInFaults: 2,
      slowestRefusalMs: 700,
      backMs: 250,
    });
  });

  it('compares redirects during the faults with those of the calm times', () => {
    const keeper = new RedirectTimesKeeper([FAULT], [{ fromMs: 0, toMs: 900 }]);
    const redirect = (at: number, ms: number): HistoryEntry => ({
      op: 'redirect',
      at,
      ms,
      n: 1,
      key: 'Lnk12345',
      outcome: 'right',
    });
    for (let at = 0; at < 100; at += 1) keeper.add(redirect(at, 2));
    for (let at = 1_000; at < 1_100; at += 1) keeper.add(redirect(at, 7));
    keeper.add(redirect(950, 5_000));
    keeper.add({ ...redirect(1_050, 5_000), outcome: 'failed' } as HistoryEntry);
    expect(keeper.result()).to.deep.equal({ during: 7, without: 2 });
    expect(new RedirectTimesKeeper([FAULT], []).result()).to.equal(undefined);
  });
});
