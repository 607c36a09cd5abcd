import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { AnsweredImport } from '../../../mapper/api/import-service.ts';
import { Problem } from '../../../mapper/http/problem.ts';
import { FirstRefused } from '../../../mapper/link-pages/first-refused.ts';
import { importStatusPage } from '../../../mapper/link-pages/import-view.ts';
import { openUploadedForm } from '../../../mapper/link-pages/uploaded-form.ts';
import type { PageRequest } from '../../../mapper/pages/page-routes.ts';
import { useApi } from '../api/use-api.ts';
import { fieldsOf, wordsOf } from './browser.ts';
import { newcomer } from './newcomer.ts';

const TYPE = 'multipart/form-data; boundary=b';

function part(disposition: string, content: string): string {
  return `--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;
}

const FILE = part('name="file"; filename="a.csv"', 'a file');

describe('a form with a file', () => {
  async function refusalOf(pieces: AsyncIterable<Buffer>, bounds = {}): Promise<Problem> {
    try {
      const form = await openUploadedForm({ contentType: TYPE, pieces }, new URLSearchParams(), bounds);
      form.close();
    } catch (error) {
      if (error instanceof Problem) return error;
      throw error;
    }
    return expect.fail('it was taken');
  }

  async function* piecesOf(...texts: readonly string[]): AsyncGenerator<Buffer> {
    for (const text of texts) yield Promise.resolve(Buffer.from(text));
  }

  /** Counts what is read of a body without an end. */
  function endless(begin: string): { pieces: AsyncIterable<Buffer>; readonly bytes: number } {
    const source = { bytes: 0, pieces: read() };
    async function* read(): AsyncGenerator<Buffer> {
      yield Buffer.from(begin);
      for (;;) {
        source.bytes += 1_024;
        if (source.bytes > 10 * 2 ** 20) return;
        yield Promise.resolve(Buffer.alloc(1_024, 'x'));
      }
    }
    return source;
  }

  for (const [what, begin] of [
    ['a preamble', ''],
    ['a field', '--b\r\nContent-Disposition: form-data; name="from"\r\n\r\n'],
    ['a part without a name', '--b\r\nContent-Disposition: form-data\r\n\r\n'],
  ] as const)
    it(`is read for 64 KiB at most when its file does not begin: ${what}`, async () => {
      const source = endless(begin);
      const problem = await refusalOf(source.pieces);
      expect(problem.status).to.be.oneOf([413, 422]);
      expect(source.bytes).to.be.at.most(80 * 1_024);
    });

  it('must not have more fields than a form of ours, or longer ones', async () => {
    const many = Array.from({ length: 40 }, () => part('name="from"', 'auto'));
    const { errors, status } = await refusalOf(piecesOf(...many, FILE, '--b--\r\n'));
    expect([status, errors?.[0]?.reason]).to.deep.equal([422, 'has more than 32 fields']);
    const long = await refusalOf(piecesOf(part('name="domain"', 'x'.repeat(2_000)), FILE, '--b--\r\n'));
    expect(long.errors).to.deep.equal([{ field: 'domain', reason: 'must not exceed 1024 bytes' }]);
  });

  it('must not have fields that are not UTF-8', async () => {
    const field = Buffer.from(part('name="tag"', 'caf\u00e9'), 'latin1');
    async function* pieces(): AsyncGenerator<Buffer> {
      yield Promise.resolve(Buffer.concat([field, Buffer.from(FILE)]));
    }
    expect((await refusalOf(pieces())).code).to.equal('malformed-form');
  });

  it('must begin its file in time', async () => {
    async function* stalled(): AsyncGenerator<Buffer> {
      yield Buffer.from(part('name="from"', 'auto'));
      await new Promise(() => undefined);
    }
    expect((await refusalOf(stalled(), { waitMs: 30 })).code).to.equal('too-slow');
  });
});

describe('the pages of imports', () => {
  const fixture = useApi({ keys: 20 });

  it('say at the field that there is no file, and keep the rest', async () => {
    const { browser } = await newcomer(fixture);
    const form = fieldsOf(await browser.get('/import'), '/import') as Record<string, string>;
    const refused = await browser.upload('/import', { ...form, from: 'csv', rename: 'maybe' }, 'x');
    expect(refused.text).to.match(/<input[^>]*name="rename"[^>]*aria-describedby="fault-rename"/);
    expect(refused.text).to.include('id="fault-rename"');
    const empty = await browser.upload('/import', { ...form, from: 'csv' }, '');
    expect([empty.status, wordsOf(empty).includes('File is empty')]).to.deep.equal([422, true]);
    expect(fieldsOf(empty, '/import')).to.include({ from: 'csv' });
    expect(empty.text)
      .to.match(/<input[^>]*type="file"[^>]*aria-invalid="true"[^>]*aria-describedby="fault-file"/)
      .and.include('id="fault-file"');
    const none = await browser.post('/import', {}, { 'content-type': TYPE });
    expect([none.status, wordsOf(none).includes('not well-formed')]).to.deep.equal([400, true]);
    expect(fieldsOf(none, '/import')).to.have.any.keys('from');
  });

  it('list imports, those under way first, with what became of them', async () => {
    const { browser, id: userId } = await newcomer(fixture);
    expect(wordsOf(await browser.get('/import'))).to.include('You have imported nothing yet.');
    const { imports } = fixture.people.db;
    const options = { from: 'kutt', onConflict: 'skip', isDryRun: false };
    const ids = ['0', '1', '2'].map((digit) => digit.repeat(32)) as [string, string, string];
    for (const [minutes, id] of ids.entries()) {
      const createdAt = new Date(Date.UTC(2026, 10, 29, 8, 30 - minutes));
      await imports.create({ id, userId, createdAt, options: JSON.stringify(options) });
    }
    // The oldest one is still uploaded.
    for (const id of ids.slice(0, 2)) await imports.abandon(id, 'it broke off');
    const page = await browser.get('/import');
    expect(
      [...page.text.matchAll(/<a href="\/import\/(\d)\1{31}"/g)].map(([, digit]) => digit),
    ).to.deep.equal(['2', '0', '1']);
    expect(wordsOf(page)).to.match(
      /2026-11-29 08:28 UTC Kutt being uploaded 0 0 .*08:30 UTC Kutt failed Report 0 0 Delete/,
    );
    expect(page.text).not.to.include(`/import/${ids[2]}/delete`);
    const deleted = await browser.post(`/import/${ids[0]}/delete`, {});
    expect([deleted.status, deleted.headers.location]).to.deep.equal([303, '/import?done=deleted']);
    const after = await browser.get('/import?done=deleted');
    expect(wordsOf(after)).to.include('The import is deleted.').and.not.include('08:30 UTC');
    const refused = await browser.post(`/import/${ids[2]}/delete`, {});
    expect([refused.status, wordsOf(refused).includes('when it is over')]).to.deep.equal([409, true]);
    const foreign = await browser.post(`/import/${ids[1]}/delete`, {}, { origin: 'https://evil.example' });
    expect(foreign.status).to.equal(403);
    const { browser: stranger } = await newcomer(fixture);
    expect((await stranger.post(`/import/${ids[1]}/delete`, {})).status).to.equal(404);
  });

  it('lead through a long list, and show the first page for an address of none', async () => {
    const { browser, id: userId } = await newcomer(fixture);
    const { imports } = fixture.people.db;
    const options = JSON.stringify({ from: 'auto', onConflict: 'skip', isDryRun: false });
    for (let i = 0; i < 21; i += 1) {
      const id = randomBytes(16).toString('hex');
      await imports.create({
        id,
        userId,
        createdAt: new Date(Date.UTC(2026, 10, 1 + i)),
        options,
      });
      await imports.abandon(id, 'it broke off');
    }
    const [, next = ''] =
      /<a href="(\/import\?cursor=[^"]+)"/.exec((await browser.get('/import')).text) ?? [];
    const second = wordsOf(await browser.get(next));
    expect(second).to.include('2026-11-01').and.include('Newest').and.not.include('2026-11-02');
    expect(wordsOf(await browser.get('/import?cursor=none'))).to.include('2026-11-21');
  });

  it('never load themselves again; a script says how far it is', () => {
    const job = { ...RUNNING, records: 5_000, done: 1_200 };
    const { headers, content } = importStatusPage(job, []);
    expect(headers?.['Refresh']).to.equal(undefined);
    expect(content.text)
      .to.include('data-import="/import/5b0f"')
      .and.include('role="status"')
      .and.match(/<a href="\/import\/5b0f"[^>]*>Look again<\/a/)
      .and.include('1,200 of 5,000 records');
    const over = importStatusPage({ ...job, state: 'done' }, []);
    expect(over.content.text).not.to.include('data-import').and.not.include('Look again');
  });
});

describe('the first refused records of an import', () => {
  it('are read when it is over, once, and at most for a second', async () => {
    let readings = 0;
    const report = async (): Promise<object> => {
      readings += 1;
      const line = `${JSON.stringify({ line: readings, code: 'a', message: 'no target' })}\n`;
      return Promise.resolve({ content: stallingAfter(line) });
    };
    const request = { identity: {}, services: { imports: { report } } } as unknown as PageRequest;
    const refused = new FirstRefused();
    for (const state of ['uploading', 'waiting', 'running'] as const)
      expect(await refused.of(request, { ...RUNNING, state })).to.deep.equal([]);
    expect(readings).to.equal(0);
    for (let look = 0; look < 3; look += 1)
      expect(await refused.of(request, { ...RUNNING, state: 'done' })).to.deep.equal([
        { line: 1, code: 'a', message: 'no target' },
      ]);
    expect(readings).to.equal(1);
  });

  async function* stallingAfter(line: string): AsyncGenerator<string> {
    yield Promise.resolve(line);
    await new Promise(() => undefined);
  }
});

const RUNNING: AnsweredImport = {
  id: '5b0f',
  state: 'running',
  created_at: '2026-11-28T12:00:00.000Z',
  finished_at: null,
  bytes: 68,
  from: 'auto',
  on_conflict: 'skip',
  dry_run: false,
  records: null,
  done: 0,
  stored: 0,
  overwritten: 0,
  refused: { 'bad-target': 3 },
  notes: [],
  reason: null,
  has_report: true,
};
