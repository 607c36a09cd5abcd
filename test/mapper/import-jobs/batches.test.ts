import { expect } from 'chai';
import { LinkReader } from '../../../mapper/import/link-reader.ts';
import { batchesOf, LINKS_IN_BATCH } from '../../../mapper/import-jobs/batches.ts';
import { brief, OPTIONS, readAll } from '../import/reading.ts';

function bitlink(codes: number, name: string): object {
  const custom = Array.from({ length: codes }, (_, i) => `https://bit.ly/${name}-${i}`);
  return { link: '', custom_bitlinks: custom, long_url: 'https://e.example/' };
}

async function batches(file: string): Promise<[number: number | undefined, records: number][]> {
  const found: [number | undefined, number][] = [];
  for await (const { number, records } of batchesOf(new LinkReader(OPTIONS).read([Buffer.from(file)])))
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
    for await (const batch of batchesOf(new LinkReader(OPTIONS).read([broken]))) found.push(batch.number);
    expect(found).to.deep.equal([0, undefined]);
  });
});
