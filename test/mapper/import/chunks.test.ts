import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { array, assert, asyncProperty, constantFrom, integer, oneof, uint8Array } from 'fast-check';
import { FORMAT_NAMES } from '../../../mapper/import/formats/format.ts';
import { readAll } from './reading.ts';

const SAMPLES = join(import.meta.dirname, 'samples');

/** Cuts bytes into chunks of these sizes, again and again. */
function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const sizes = array(oneof(integer({ min: 1, max: 7 }), integer({ min: 1, max: 300 })), {
  minLength: 1,
  maxLength: 8,
});

/** Pieces of which broken and sound files are made. */
const pieces = constantFrom(
  'url,code,title',
  'https://example.com/',
  'abc',
  ',',
  ';',
  '\t',
  '"',
  '""',
  '\r',
  '\n',
  '\r\n',
  'bücher',
  '🚀',

  '{',
  '}',
  '[',
  ']',
  '{"links":[',
  '{"address":"a","target":"https://example.com/"}',
  '\\',
  ':',
  '1',
  'null',

  '{"unique_id":"a","long_url":"https://example.com/"}',
  '<A HREF="https://example.com/">',
  '</A>',
  '<DL>',

  '<H3>',
  '</H3>',
  '</DL>',
  '&amp;',
  '<!DOCTYPE NETSCAPE-Bookmark-file-1>',
  '\ufeff',
  ' ',
  'x'.repeat(40_000),
);

describe('reading an import in chunks', () => {
  const samples = readdirSync(SAMPLES, { recursive: true, encoding: 'utf8' })
    .map((name) => join(SAMPLES, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path));

  it('gives the same for every cut of every sample', async () => {
    const whole = await Promise.all(samples.map(async (bytes) => readAll([bytes])));
    await assert(
      asyncProperty(integer({ min: 0, max: samples.length - 1 }), sizes, async (sample, chunkSizes) => {
        const reading = await readAll(cut(samples[sample] ?? expect.fail(), chunkSizes));
        expect(reading).to.deep.equal(whole[sample]);
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same for every cut of broken files, and counts every record', async () => {
    await assert(
      asyncProperty(
        array(pieces, { maxLength: 40 }),
        uint8Array({ maxLength: 2 }),
        sizes,
        constantFrom('auto' as const, ...FORMAT_NAMES),
        async (texts, wrong, chunkSizes, from) => {
          const bytes = Buffer.concat([Buffer.from(texts.join('')), wrong]);
          const whole = await readAll([bytes], { from });
          expect(await readAll(cut(bytes, chunkSizes), { from })).to.deep.equal(whole);
          const rows = new Set(whole.outcomes.map(({ row }) => row).filter((row) => row !== null));
          expect(rows.size).to.equal(whole.summary.records);
          const lines = whole.outcomes.map(({ line }) => line);
          expect(lines).to.deep.equal(lines.toSorted((a, b) => a - b));
        },
      ),
      { numRuns: 300 },
    );
  });
});
