import { expect } from 'chai';
import { LinkReader } from '../../../mapper/import/link-reader.ts';
import { readTime } from '../../../mapper/import/read-time.ts';
import { brief, OPTIONS, readAll } from './reading.ts';

/** So long a record may be, with some room for its end. */
const LENGTH = 131_000;
/** In one piece of a file, redirects wait so long. Quadratic work on these records takes 1 s to minutes. */
const MAX_MS = 400;

const BOOKMARKS = '<!DOCTYPE NETSCAPE-Bookmark-file-1>';

function fill(text: string, length = LENGTH): string {
  return text.repeat(Math.ceil(length / text.length));
}

/** The CPU time that this thread needs. Others on the machine do not count. */
async function costOf(work: () => Promise<void>): Promise<number> {
  const before = process.threadCpuUsage();
  await work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}

describe('reading an import in linear time', () => {
  const nested = `{"link":${'['.repeat(60_000)}${']'.repeat(60_000)},`;
  for (const [what, file] of [
    ['one long word in the tag of a bookmark', `${BOOKMARKS}<a ${fill('a')}>x</a><p>`],
    ['names and blanks in the tag of a bookmark', `${BOOKMARKS}<a ${fill('a ')}>x</a><p>`],
    ['bookmarks in bookmarks', `${BOOKMARKS}${fill('<a ')}`],
    ['bookmarks that are not closed', `${BOOKMARKS}${fill('<a>')}`],
    ['quotes in bookmarks', `${BOOKMARKS}${fill(`<a "'"'`)}`],
    ['the beginnings of tags in a title', `${BOOKMARKS}<a href="https://e.example/">${fill('<')}</a><p>`],
    ['blanks in a description', `${BOOKMARKS}<a href="https://e.example/">x</a><dd>${fill(' ')}`],
    [
      'long folders in folders',
      `${BOOKMARKS}${fill(`<h3>${'x'.repeat(1_000)}</h3><dl>`)}${fill('<a href="https://e.example/">x</a>')}`,
    ],
    ['a page without bookmarks', `<html>${fill('<a ')}`],
    ['long tags in one cell', `url,tags\nhttps://e.example/,"${fill(`${'t'.repeat(50)}|`, 1_000)}"\n`],
    [
      'many long tags in one record',
      `{"unique_id":"abc","long_url":"https://e.example/","tags":[${Array.from({ length: 2_000 }, (_, i) => `"${`${i}`.padEnd(60, 'x')}"`).join()}]}`,
    ],
    [
      'many tags in one cell',
      `url,tags\nhttps://e.example/,${Array.from({ length: 25_000 }, (_, i) => i.toString(36)).join('|')}\n`,
    ],
    ['lists around the list', `{${fill('"a":[],')}"links":[]}`],
    ['quotes that are not closed', `url,code\n${fill('"a,\n')}`],
    ['blanks in a time', `url,created_at\nhttps://e.example/,"1/1/2024${fill(' ')}x\ny"\n`],
    ['blanks in a time of the day', `url,created_at\nhttps://e.example/,2024-01-01 12:00${fill(' ')}x\n`],
    ['brackets in brackets', `[${nested}"address":"abc","target":"https://e.example/"}]`],
  ] as const)
    it(what, async () => {
      // Compiles what is measured.
      await readAll(file.slice(0, 200));
      // Other work on the machine takes the caches of the processor away.
      const leastOf = async (text: string): Promise<number> => {
        let least = Infinity;
        for (let runs = 0; least >= MAX_MS && runs < 3; runs += 1)
          least = Math.min(
            least,
            await costOf(async () => {
              for await (const _ of new LinkReader(OPTIONS).read([Buffer.from(text)]));
            }),
          );
        return least;
      };
      const least = await leastOf(file);
      if (least < MAX_MS) return;
      // A slow machine: then a quarter must take about a quarter, and not a sixteenth.
      const quarter = await leastOf(file.slice(0, file.length / 4));
      expect(least / quarter).to.be.below(8);
    });

  it('refuses a record with more brackets in brackets than any link needs', async () => {
    const deep = '['.repeat(60_000) + ']'.repeat(60_000);
    const link = '"address":"abc","target":"https://e.example/"';
    const file = `[{${link}},\n{${link},"description":${deep}}]`;
    expect(brief(await readAll(file))).to.deep.equal(['abc', 'not-json@2']);
  });

  it('ends a bookmark that is not closed where the next one begins', async () => {
    const file = `${BOOKMARKS}<dl><dt><a href="https://e.example/1">one<dt><a href="https://e.example/2">two</a> text <dt><a href="https://e.example/3" <a href="https://e.example/4">four</a></dl>`;
    const { outcomes } = await readAll(file);
    expect(
      outcomes.map((outcome) => 'link' in outcome && [outcome.link.long_url, outcome.link.title]),
    ).to.deep.equal([
      ['https://e.example/1', 'one'],
      ['https://e.example/2', 'two'],
      ['https://e.example/3', null],
      ['https://e.example/4', 'four'],
    ]);
  });

  it('takes no time of more characters than any time has', () => {
    const read = readTime('created_at', `2024-01-01T12:00:00.${'0'.repeat(100)}Z`, {});
    expect(read).to.have.nested.property('fault.reason', 'no-date');
  });
});
