import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import type { ImportBounds } from '../../../db/accounts/import-sweep.ts';
import { openMysql } from '../../../db/mysql/mysql.ts';
import { ImportService } from '../../../mapper/api/import-service.ts';
import type { Identity } from '../../../mapper/auth/identities.ts';
import type { Problem } from '../../../mapper/http/problem.ts';
import type { AskJobs, JobOptions, JobTools } from '../../../mapper/import-jobs/job.ts';
import { until } from '../../until.ts';
import { manyLinks } from '../../operator/import-world.ts';
import { problemKind } from '../api/api-client.ts';
import { useApi } from '../api/use-api.ts';
import { send } from '../client.ts';

const CSV = { 'content-type': 'text/csv' };

const OPTIONS: JobOptions = {
  from: 'auto',
  timezone: undefined,
  dateOrder: undefined,
  domain: undefined,
  isRenaming: false,
  onConflict: 'skip',
  isDryRun: false,
};

/** Nothing is over by its age that was created later. */
function allBefore(ms: number): ImportBounds {
  const at = new Date(ms);
  return { jobs: at, files: at, uploads: at };
}

interface Said {
  readonly id: string;
  readonly state: string;
  readonly records: number | null;
  readonly stored: number;
  readonly overwritten: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly reason: string | null;
}

describe('POST /import', () => {
  const fixture = useApi({ keys: 2_000 });
  const { api } = fixture;

  async function anna(): Promise<{ cookie: string }> {
    return { cookie: await fixture.people.session(await fixture.people.person()) };
  }

  async function upload(who: { cookie: string }, text: string, query = ''): Promise<Said> {
    const answer = await api.call('POST', `/import${query}`, { ...who, headers: CSV, body: text });
    expect(answer.status, answer.text).to.equal(202);
    return answer.json() as unknown as Said;
  }

  async function finish(who: { cookie: string }, { id }: Said): Promise<Said> {
    return until('the import to end', async () => {
      const said = (await api.call('GET', `/import/${id}`, who)).json() as unknown as Said;
      return said.state === 'done' || said.state === 'failed' ? said : undefined;
    });
  }

  async function report(who: { cookie: string }, { id }: Said): Promise<Record<string, unknown>[]> {
    const answer = await api.call('GET', `/import/${id}/report`, who);
    expect(answer.status, answer.text).to.equal(200);
    const lines = answer.text.trimEnd().split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  it('stores the links of a file, which are then of the user and are followed', async () => {
    const who = await anna();
    const begun = await upload(
      who,
      'url,code,title,tags,humans,bots\nhttps://e.example/a,via-http-1,A,x|y,5,2\nhttps://e.example/b,,,,,\nno target,,,,,\n',
    );
    expect(begun).to.include({ state: 'waiting', stored: 0 });
    const said = await finish(who, begun);
    expect(said).to.deep.include({ state: 'done', records: 3, stored: 2, refused: { 'bad-target': 1 } });
    const [first, second, third] = await report(who, said);
    expect(first).to.include({ line: 2, row: 1, unique_id: 'via-http-1', result: 'stored' });
    expect(third).to.include({ line: 4, row: 3, reason: 'bad-target' });
    const link = (await api.call('GET', '/urls/via-http-1', who)).json();
    expect(link).to.deep.include({ title: 'A', tags: ['x', 'y'], clicks: { total: 7, humans: 5, bots: 2 } });
    for (const [key, target] of [
      ['via-http-1', 'https://e.example/a'],
      [String(second?.['unique_id']), 'https://e.example/b'],
    ]) {
      const answer = await send('GET', `${fixture.mapper.url}/${key}`, { headers: { host: 'localhost' } });
      expect([answer.status, answer.headers.location]).to.deep.equal([302, target]);
    }
  });

  it('makes no link twice when the same file is sent again', async () => {
    const who = await anna();
    const text = manyLinks(1_200, { prefix: 'sent-twice' });
    const first = await finish(who, await upload(who, text));
    const second = await finish(who, await upload(who, text));
    expect(first).to.deep.include({ state: 'done', stored: 1_188, refused: { 'bad-target': 12 } });
    expect(second.stored).to.equal(1_188);
    expect(await report(who, second)).to.deep.equal(await report(who, first));
    const tags = (await api.call('GET', '/users/me/tags', who)).json() as {
      items: { tag: string; links: number }[];
    };
    expect(tags.items.find(({ tag }) => tag === 'many')?.links).to.equal(396);
  });

  it('only says what would be taken in a dry run', async () => {
    const who = await anna();
    const said = await finish(
      who,
      await upload(who, 'url,code\nhttps://e.example/,dry-1\n', '?dry_run=true'),
    );
    expect(said).to.deep.include({ state: 'done', records: 1, stored: 0 });
    expect(await report(who, said)).to.have.length(1);
    expect((await api.call('GET', '/urls/dry-1', who)).status).to.equal(404);
  });

  it('stores nothing of a broken file, and says where it is broken', async () => {
    const who = await anna();
    const said = await finish(
      who,
      await upload(who, '[{"long_url":"https://e.example/","unique_id":"broken-1"},{"long'),
    );
    expect(said).to.include({ state: 'failed', stored: 0 });
    expect(said.reason).to.include('cannot be read to its end').and.include('line 1');
    expect((await report(who, said))[0]).to.include({ reason: 'cut-off' });
    expect((await api.call('GET', '/urls/broken-1', who)).status).to.equal(404);
  });

  it('treats codes that are taken as it was asked to', async () => {
    const who = await anna();
    const file = (title: string): string => `url,code,title\nhttps://e.example/,conflict-1,${title}\n`;
    await finish(who, await upload(who, file('one')));
    expect(await finish(who, await upload(who, file('two')))).to.deep.include({
      stored: 0,
      refused: { 'taken-code': 1 },
    });
    const refused = await finish(who, await upload(who, file('three'), '?on_conflict=error'));
    expect(refused).to.include({ state: 'failed' });
    expect(refused.reason).to.include('codes are taken').and.include('line 2');
    const over = await finish(who, await upload(who, file('four'), '?on_conflict=overwrite'));
    expect(over).to.include({ state: 'done', stored: 1, overwritten: 1 });
    expect((await api.call('GET', '/urls/conflict-1', who)).json()['title']).to.equal('four');
    const other = await anna();
    const foreign = await finish(other, await upload(other, file('five'), '?on_conflict=overwrite'));
    expect(foreign).to.deep.include({ stored: 0, refused: { 'taken-code': 1 } });
    expect((await api.call('GET', '/urls/conflict-1', who)).json()['title']).to.equal('four');
  });

  it('refuses a row with more visits than a link may have, and exports what it imports again', async () => {
    const who = await anna();
    const head = 'url,code,visits_left\n';
    const rows = ['left-0,0', 'left-7,7', 'left-most,1000000', 'left-more,99999999999'];
    const text = head + rows.map((row) => `https://e.example/,${row}\n`).join('');
    const said = await finish(who, await upload(who, text));
    expect(said).to.deep.include({ state: 'done', stored: 3, refused: { 'value-type': 1 } });
    expect((await report(who, said)).at(-1)?.['message']).to.include('from 0 to 1000000');
    const exported = await api.call('GET', '/urls/export', who);
    const limits = exported.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .map((link) => [link['unique_id'], link['max_visits'], link['visits_left']]);
    expect(limits).to.have.deep.members([
      ['left-0', 1, 0],
      ['left-7', 7, 7],
      ['left-most', 1_000_000, 1_000_000],
    ]);
    const again = await finish(who, await upload(who, exported.text, '?dry_run=true&from=ndjson'));
    expect(again).to.deep.include({ state: 'done', records: 3, refused: {} });
  });

  it('gives no visits again that were used up when it overwrites a link', async () => {
    const who = await anna();
    const cases = [
      ['once-plain', {}, '1,0', 0, [410]],
      ['once-same', { max_visits: 1 }, '1,0', 0, [410]],
      ['once-fewer', { max_visits: 9 }, '3,1', 1, [302, 410]],
      ['once-more', { max_visits: 2 }, '4,4', 4, [302]],
      ['once-unlimited', { max_visits: 2 }, ',', null, [302]],
    ] as const;
    for (const [key, before] of cases) await fixture.makeLink(who.cookie, { custom_alias: key, ...before });
    const lines = cases.map(([key, , visits]) => `https://e.example/,${key},${visits}\n`);
    const text = `url,code,max_visits,visits_left\n${lines.join('')}`;
    const said = await finish(who, await upload(who, text, '?on_conflict=overwrite'));
    expect(said).to.include({ state: 'done', overwritten: 5 });
    for (const [key, , , left, statuses] of cases) {
      const link = (await api.call('GET', `/urls/${key}`, who)).json();
      expect(link['visits_left'] ?? null, key).to.equal(left);
      for (const status of statuses)
        expect((await send('GET', `${fixture.mapper.url}/${key}`)).status, key).to.equal(status);
    }
  });

  it('tells nobody else of an import', async () => {
    const who = await anna();
    const { id } = await upload(who, 'url\nhttps://e.example/\n');
    const other = await anna();
    for (const path of [`/import/${id}`, `/import/${id}/report`, `/import/${'0'.repeat(32)}`]) {
      const answer = await api.call('GET', path, other);
      expect([answer.status, problemKind(answer)], path).to.deep.equal([404, 'not-found']);
    }
  });

  it('refuses a file that is too large, and keeps nothing of it', async () => {
    const person = await fixture.people.person();
    const ask: AskJobs = async (work) => work(fixture.people.db.imports);
    const service = new ImportService({ ask } as unknown as JobTools, { file: 2_000_000 });
    const identity = { userId: person.id } as Identity;
    const pieces = Readable.from([Buffer.alloc(1_500_000), Buffer.alloc(500_001)]);
    const problem = await service.upload(identity, OPTIONS, { type: 'text/csv', pieces }).then(
      () => expect.fail('it was taken'),
      (error: unknown) => error as Problem,
    );
    expect([problem.status, problem.message]).to.deep.equal([413, 'The file must not exceed 2000000 bytes.']);
    expect(await fixture.people.db.imports.countOpen(person.id)).to.equal(0);
    expect(await fixture.people.db.imports.sumKept(person.id)).to.include({ bytes: 0 });
    expect(await fixture.people.db.imports.sweep(allBefore(0))).to.equal(true);
  });

  it('keeps at most so much of a user, and says when there is room again', async () => {
    const person = await fixture.people.person();
    const ask: AskJobs = async (work) => work(fixture.people.db.imports);
    const service = new ImportService({ ask } as unknown as JobTools, { kept: 3_000_000 });
    const identity = { userId: person.id } as Identity;
    const send = async (bytes: number): Promise<unknown> => {
      const stream = { type: 'text/csv', pieces: Readable.from([Buffer.alloc(bytes, 'x')]) };
      return service.upload(identity, OPTIONS, stream).catch((error: unknown) => error);
    };
    const { id } = (await send(2_000_000)) as Said;
    expect(await send(1_100_000)).to.include({ state: 'waiting' });
    const problem = (await send(1)) as Problem;
    expect(problem).to.include({ status: 503, code: 'overloaded' });
    expect(problem.message).to.include('have 3100000 bytes, of 3000000 at most');
    expect(Number(problem.headers['Retry-After'])).to.be.within(7 * 86_400 - 60, 7 * 86_400);
    // An import that is over does not give its room back: its report is written from the file.
    await until('it to be over', async () => (await fixture.people.db.imports.find(id))?.state === 'failed');
    expect(await send(1)).to.include({ status: 503 });
    expect(await fixture.people.db.imports.sumKept(person.id)).to.include({ bytes: 3_100_000 });
  });

  it('lets a user have five imports that are not done', async () => {
    const person = await fixture.people.person();
    const { imports } = fixture.people.db;
    for (let i = 0; i < 5; i += 1)
      await imports.create({
        id: randomBytes(16).toString('hex'),
        userId: person.id,
        createdAt: new Date(),
        options: '{}',
      });
    const who = { cookie: await fixture.people.session(person) };
    const answer = await api.call('POST', '/import', { ...who, headers: CSV, body: 'url\n' });
    expect([answer.status, problemKind(answer)]).to.deep.equal([503, 'overloaded']);
  });

  it('is not carried out for an account that is gone, and waits for one that is disabled', async () => {
    const { users, imports } = fixture.people.db;
    const [gone, disabled] = [await fixture.people.person(), await fixture.people.person()];
    await users.setDisabled(disabled.id, true, new Date());
    const { password = '' } = (await users.find(gone.id)) ?? {};
    await users.askDeletion(gone.id, { password, deleteLinks: false, now: new Date() });
    const ids = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')] as const;
    for (const [i, { id: userId }] of [gone, disabled].entries()) {
      const id = ids[i] ?? '';
      await imports.create({ id, userId, createdAt: new Date(0), options: JSON.stringify(OPTIONS) });
      await imports.addPiece(id, 0, Buffer.from('url\nhttps://e.example/disabled\n'));
      await imports.finishUpload(id, 31);
    }
    // Later jobs are done meanwhile.
    const who = await anna();
    await finish(who, await upload(who, 'url\nhttps://e.example/later\n'));
    expect((await imports.find(ids[1]))?.state).to.equal('waiting');
    await users.setDisabled(disabled.id, false, new Date());
    await until('it to be done', async () => (await imports.find(ids[1]))?.state === 'done');
    expect((await imports.find(ids[0]))?.state).to.equal('waiting');
    expect(await imports.sweep(allBefore(-1))).to.equal(true);
    expect(await imports.find(ids[0])).to.equal(undefined);
  });

  interface List {
    readonly items: readonly (Said & { readonly created_at: string })[];
    readonly next_cursor: string | null;
  }

  async function list(who: { cookie: string }, query = ''): Promise<List> {
    const answer = await api.call('GET', `/import${query}`, who);
    expect(answer.status, answer.text).to.equal(200);
    return answer.json() as unknown as List;
  }

  it('is listed, newest first and page by page, for its user', async () => {
    const [who, other] = [await anna(), await anna()];
    const { id } = await finish(who, await upload(who, 'url\nhttps://e.example/listed\n'));
    const { imports } = fixture.people.db;
    const { userId = 0n } = (await imports.find(id)) ?? {};
    const ids = [id, randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
    for (const [days, earlier] of ids.entries())
      if (earlier !== id) {
        const createdAt = new Date(Date.now() - days * 86_400_000);
        await imports.create({ id: earlier, userId, createdAt, options: JSON.stringify(OPTIONS) });
        await imports.abandon(earlier, 'it broke off');
      }
    const first = await list(who, '?limit=2');
    expect(first.items.map((one) => one.id)).to.deep.equal(ids.slice(0, 2));
    expect(first.items[0]).to.include({ state: 'done', stored: 1, records: 1 });
    const second = await list(who, `?limit=2&cursor=${first.next_cursor}`);
    expect([second.items.map((one) => one.id), second.next_cursor]).to.deep.equal([ids.slice(2), null]);
    expect((await list(who, '?state=open')).items).to.deep.equal([]);
    expect((await list(who, '?state=over')).items).to.have.length(3);
    expect(await list(other)).to.deep.equal({ items: [], next_cursor: null });
    for (const query of ['?cursor=none', `?cursor=${first.next_cursor}A`, '?limit=201', '?state=done'])
      expect((await api.call('GET', `/import${query}`, who)).status, query).to.equal(422);
  });

  it('gives each import once of a page that ends between two of one millisecond', async () => {
    const { id: userId } = await fixture.people.person();
    const createdAt = new Date();
    const ids = Array.from({ length: 3 }, () => randomBytes(16).toString('hex')).toSorted();
    for (const id of ids)
      await fixture.people.db.imports.create({ id, userId, createdAt, options: JSON.stringify(OPTIONS) });
    const found: string[] = [];
    let before: { createdAt: Date; id: string } | undefined;
    for (let page = 0; page < 3; page += 1) {
      const [job] = await fixture.people.db.imports.list({ userId, isOver: false, before, limit: 1 });
      found.unshift(job?.id ?? '');
      before = job;
    }
    expect(found).to.deep.equal(ids);
  });

  it('is removed by its user when it is over, with its report; its links stay', async () => {
    const [who, other] = [await anna(), await anna()];
    const text = 'url,code\nhttps://e.example/,removed-1\nhttps://e.example/keyless,\n';
    const said = await finish(who, await upload(who, text));
    const foreign = await api.call('DELETE', `/import/${said.id}`, other);
    expect([foreign.status, problemKind(foreign)]).to.deep.equal([404, 'not-found']);
    expect((await api.call('DELETE', `/import/${said.id}`, who)).status).to.equal(204);
    for (const path of [`/import/${said.id}`, `/import/${said.id}/report`])
      expect((await api.call('GET', path, who)).status, path).to.equal(404);
    expect((await api.call('DELETE', `/import/${said.id}`, who)).status).to.equal(404);
    expect((await list(who)).items).to.deep.equal([]);
    expect((await api.call('GET', '/urls/removed-1', who)).status).to.equal(200);
    // It is remembered what the file has made.
    expect(await finish(who, await upload(who, text))).to.include({ stored: 2 });
    const links = (await api.call('GET', '/urls?q=keyless', who)).json() as { items: unknown[] };
    expect(links.items).to.have.length(1);
  });

  it('is not removed while it is not over, which says what to do', async () => {
    const person = await fixture.people.person();
    const id = randomBytes(16).toString('hex');
    const { imports } = fixture.people.db;
    await imports.create({ id, userId: person.id, createdAt: new Date(), options: JSON.stringify(OPTIONS) });
    const who = { cookie: await fixture.people.session(person) };
    const answer = await api.call('DELETE', `/import/${id}`, who);
    expect([answer.status, problemKind(answer)]).to.deep.equal([409, 'import-not-over']);
    expect(answer.json()['detail']).to.include('removed when it is over');
    expect((await list(who, '?state=open')).items).to.have.length(1);
    const { key } = await fixture.people.key(person, ['links:read']);
    expect((await api.call('DELETE', `/import/${id}`, { key })).status).to.equal(403);
    const headers = { origin: 'https://evil.example' };
    expect((await api.call('DELETE', `/import/${id}`, { ...who, headers })).status).to.equal(403);
  });

  it('has no report when its file is over a week old, and says so', async () => {
    const who = await anna();
    const said = await finish(who, await upload(who, 'url\nhttps://e.example/old-report\n'));
    await using users = openMysql(fixture.world.usersUrl, { name: 'users' });
    await users.execute(
      'UPDATE import_jobs SET created_at = created_at - INTERVAL 8 DAY WHERE job_id = UNHEX(?)',
      [said.id],
    );
    expect((await list(who)).items[0]).to.deep.include({ id: said.id, has_report: false });
    const answer = await api.call('GET', `/import/${said.id}/report`, who);
    expect([answer.status, answer.json()['detail']]).to.deep.equal([
      404,
      'The report of this import was kept for a week, and is gone.',
    ]);
  });

  it('refuses an empty body, and options that make no sense', async () => {
    const who = await anna();
    const empty = await api.call('POST', '/import', { ...who, headers: CSV });
    expect([empty.status, problemKind(empty)]).to.deep.equal([400, 'incomplete']);
    for (const query of ['?from=tinyurl', '?timezone=Mars/Olympus', '?on_conflict=maybe', '?dry_run=1']) {
      const answer = await api.call('POST', `/import${query}`, { ...who, headers: CSV, body: 'url\n' });
      expect(answer.status, query).to.equal(422);
    }
  });
});
