import { expect } from 'chai';
import { LinkReader, type ReadOptions } from '../../../mapper/import/link-reader.ts';
import { BATCH_CHARACTERS, batchesOf, LINKS_IN_BATCH } from '../../../mapper/import-jobs/batches.ts';
import { toTold } from '../../../mapper/import/outcome.ts';
import { brief, OPTIONS, readAll } from '../import/reading.ts';

function bitlink(codes: number, name: string): object {
  const custom = Array.from({ length: codes }, (_, i) => `https://bit.ly/${name}-${i}`);
  return { link: '', custom_bitlinks: custom, long_url: 'https://e.example/' };
}

async function batches(
  file: string,
  options: { readonly characters?: number | null; readonly judgeTarget?: ReadOptions['judgeTarget'] } = {},
): Promise<[number: number | undefined, records: number][]> {
  const { characters = BATCH_CHARACTERS, judgeTarget } = options;
  const found: [number | undefined, number][] = [];
  for await (const { number, records } of batchesOf(
    new LinkReader({ ...OPTIONS, ...(judgeTarget && { judgeTarget }) }).read([Buffer.from(file)]),
    characters,
  ))
    found.push([number, records.length]);
  return found;
}

describe('the batches of an import', () => {
  it('has no record that becomes more than 20 links', async () => {
    const links = [bitlink(20, 'few'), bitlink(2_000, 'many'), bitlink(1, 'one')];
    const read = await readAll(JSON.stringify({ links }));
    expect(brief(read).slice(-2)).to.deep.equal(['many-codes@1', 'one-0']);
    expect(read.outcomes).to.have.length(22);
  });

  it('are counted in links, and never divide a record', async () => {
    const links = Array.from({ length: 120 }, (_, i) => bitlink(19, `of-${i}`));
    const full = Math.ceil(LINKS_IN_BATCH / 19) * 19;
    expect(await batches(JSON.stringify({ links }))).to.deep.equal([
      [0, full],
      [1, full],
      [2, 120 * 19 - 2 * full],
    ]);
  });

  it('are the same whether links are taken or refused, and the fault of a file is none', async () => {
    const table = (target: string): string => `url,code\n${`${target},\n`.repeat(LINKS_IN_BATCH + 1)}\xff`;
    for (const target of ['https://e.example/', 'ftp://e.example/'])
      expect(await batches(table(target))).to.deep.equal([
        [0, LINKS_IN_BATCH],
        [1, 2],
      ]);
    const broken = Buffer.concat([Buffer.from('url\nhttps://e.example/\n'), Buffer.from([0xff])]);
    const found = [];
    for await (const batch of batchesOf(new LinkReader(OPTIONS).read([broken]), null))
      found.push(batch.number);
    expect(found).to.deep.equal([0, undefined]);
  });

  it('end earlier when records are long, at the same places whether links are taken or refused', async () => {
    const target = `https://e.example/${'x'.repeat(1_900)}`;
    const tags = Array.from({ length: 20 }, (_, i) => `${i}`.padStart(50, 't')).join('|');
    const table = `url,code,title,tags\n${`${target},,${'T'.repeat(200)},${tags}\n`.repeat(900)}`;
    const ofRecord = target.length + 200 + tags.length;
    const full = Math.floor(BATCH_CHARACTERS / ofRecord);
    const expected = [
      [0, full],
      [1, full],
      [2, 900 - 2 * full],
    ];
    expect(await batches(table)).to.deep.equal(expected);
    const judgeTarget = () => ({ ok: false, reason: 'points at a blocked domain' }) as const;
    expect(await batches(table, { judgeTarget })).to.deep.equal(expected);
    // An import that began without such an end keeps its batches.
    expect(await batches(table, { characters: null })).to.deep.equal([[0, 900]]);
  });

  it('have one record that is longer than a batch', async () => {
    const file = `url,comment\n${`https://e.example/,${'x'.repeat(100_000)}\n`.repeat(2)}https://e.example/,\n`;
    expect(await batches(file, { characters: 1_000 })).to.deep.equal([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
  });

  it('say nothing of the length of records to those who import them', async () => {
    const { outcomes } = await readAll('url\nhttps://e.example/\nnone\n');
    for (const outcome of outcomes) {
      expect(outcome).to.have.property('characters');
      expect(JSON.stringify(toTold(outcome))).not.to.include('characters');
    }
  });
});
