import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { MAX_RECORD_CHARACTERS } from '../../../mapper/import/record.ts';
import { LinkReader } from '../../../mapper/import/link-reader.ts';
import { brief, OPTIONS, readAll } from './reading.ts';

const MB = 2 ** 20;
const FILE_BYTES = 16 * MB;
const ROW = 'https://example.com/,abc,t\n';

/** A file that begins with `head`, and goes on with one text again and again. */
function* endless(head: string, again: string): Generator<Uint8Array> {
  yield Buffer.from(head);
  const piece = Buffer.from(again.repeat(Math.ceil(65_536 / again.length)));
  for (let bytes = 0; bytes < FILE_BYTES; bytes += piece.length) yield piece;
}

const collect = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

function usedBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

describe('reading an import in bounded memory', () => {
  for (const [what, head, again, expected] of [
    ['a line without end', 'url,code\n', 'x', 'too-long'],
    ['a quote that is never closed', 'url,code\n"', 'x', 'too-long'],
    ['a quote that is never closed, of quotes', 'url,code\n"', '""', 'too-long'],
    ['a header without end', 'url,', 'x', 'too-long'],
    [
      'a JSON text without end',
      '[{"address":"a","target":"https://example.com/"},{"address":"',
      'x',
      'cut-off',
    ],
    ['JSON lists without end', '[{"address":"a","target":"https://example.com/"},[', '[', 'cut-off'],
    [
      'a JSON field around the list',
      '{"links":[{"address":"a","target":"https://example.com/"}],"x":"',
      'x',
      'cut-off',
    ],
    ['blanks in JSON', '[{"address":"a","target":"https://example.com/"},', ' ', 'cut-off'],
    ['a line of NDJSON', '{"unique_id":"abc","long_url":"https://example.com/"}\n{"', 'x', 'too-long'],
    ['an attribute of a bookmark', '<!DOCTYPE NETSCAPE-Bookmark-file-1><A HREF="', 'x', 'too-long'],
    [
      'the title of a bookmark',
      '<!DOCTYPE NETSCAPE-Bookmark-file-1><A HREF="https://example.com/">',
      'x',
      'too-long',
    ],
    ['folders in folders', '<!DOCTYPE NETSCAPE-Bookmark-file-1><H3>a</H3>', '<DL><H3>b</H3>', undefined],
  ] as const) {
    it(`${what}: a reason, and no more memory than a sound file`, async () => {
      const reader = new LinkReader(OPTIONS);
      let most = 0;
      const before = usedBytes();
      const reasons: string[] = [];
      for await (const outcomes of reader.read(
        watched(endless(head, again), (used) => (most = Math.max(most, used))),
      ))
        for (const outcome of outcomes) if ('reason' in outcome) reasons.push(outcome.reason);
      expect(reasons.slice(0, 1)).to.deep.equal(expected === undefined ? [] : [expected]);
      // Without a bound, the text alone would take 16 MB, and more while it grows.
      expect((most - before) / MB).to.be.below(12);
    });
  }

  it('takes the longest record that it promises, and goes on behind one that is longer', async () => {
    const fixed = 'https://example.com/,abc,"'.length + '"'.length;
    const title = (length: number): string =>
      `https://example.com/,abc${length % 10},"${'x'.repeat(length - fixed - 1)}"`;
    const file = ['url,code,title', title(MAX_RECORD_CHARACTERS), title(MAX_RECORD_CHARACTERS + 9), ROW].join(
      '\n',
    );
    expect(brief(await readAll(file))).to.deep.equal(['abc2', 'too-long@3', 'abc']);
  });
});

/** Measures what is in use, without garbage, every 4 MB. */
function* watched(chunks: Iterable<Uint8Array>, see: (usedBytes: number) => void): Generator<Uint8Array> {
  let bytes = 0;
  for (const chunk of chunks) {
    yield chunk;
    bytes += chunk.length;
    if (bytes % (4 * MB) < chunk.length) see(usedBytes());
  }
}
