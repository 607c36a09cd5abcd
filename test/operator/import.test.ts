import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { openUsersDb } from '../../db/accounts/users-db.ts';
import { createImportWorld, manyLinks, type ImportWorld, type Said } from './import-world.ts';
import { runKeymill } from './run-keymill.ts';

const OWNER = 'owner@example.org';

describe('keymill import: storing', () => {
  let world: ImportWorld;
  let ownerId: bigint;
  before(async () => {
    world = await createImportWorld();
    ownerId = await world.addUser(OWNER);
  });
  after(async () => world[Symbol.asyncDispose]());

  it('stores links with their codes, dates, titles, tags and visits', async () => {
    const file = await world.write(
      'first.csv',
      'url,code,title,tags,created_at,expires_at,humans,bots\n' +
        'https://e.example/first,first-1,The first,news|Köln,2020-02-03T04:05:06.789Z,2030-01-01T00:00:00Z,40,2\n' +
        'https://e.example/second,,,,,,,\n',
    );
    const { outcomes, summary } = await world.import(file, '--owner', OWNER);
    expect(summary).to.include({ records: 2, taken: 2, stored: 2, overwritten: 0 });
    const keys = outcomes.map((outcome) => ('result' in outcome ? outcome.unique_id : ''));
    expect(keys[0]).to.equal('first-1');
    expect(keys[1]).to.match(/^[\w-]{8}$/);
    const rows = await world.query<{ alias: number }>(
      `SELECT CAST(user_id AS CHAR) AS user, original_url, CAST(created_at AS CHAR) AS created,
         CAST(expires_at AS CHAR) AS expires, alias, title FROM urls WHERE unique_id IN (?)`,
      [keys],
    );
    // They may be on two servers.
    rows.sort((a, b) => b.alias - a.alias);
    expect(rows[0]).to.deep.equal({
      user: String(ownerId),
      original_url: 'https://e.example/first',
      created: '2020-02-03 04:05:06.789',
      expires: '2030-01-01 00:00:00.000',
      alias: 1,
      title: 'The first',
    });
    expect(rows[1]).to.include({
      original_url: 'https://e.example/second',
      alias: 0,
      title: null,
      expires: null,
    });
    expect(
      await world.query(
        "SELECT CONVERT(tag USING utf8mb4) AS tag FROM link_tags WHERE unique_id = 'first-1'",
      ),
    ).to.have.deep.members([{ tag: 'news' }, { tag: 'Köln' }]);
    expect(
      await world.query("SELECT humans, bots FROM click_totals WHERE unique_id = 'first-1'"),
    ).to.deep.equal([{ humans: 40, bots: 2 }]);
    expect(await world.query('SELECT 1 AS one FROM owned WHERE unique_id IN (?)', [keys])).to.have.length(2);
  });

  it('writes an event of each link for the webhooks of its owner, and of no link twice', async () => {
    const email = 'listener@example.org';
    const [listenerId, db] = [await world.addUser(email), openUsersDb({ url: world.world.usersUrl })];
    const id = randomBytes(16).toString('hex');
    const fields = { url: 'https://e.example/', events: ['link.created'], secret: randomBytes(32) };
    await db.webhooks.create({ id, userId: listenerId, createdAt: new Date(), ...fields }, 20);
    await db.close();
    const text = 'url,code\nhttps://e.example/heard,heard-1\nhttps://e.example/heard-2,\n';
    const file = await world.write('heard.csv', text);
    const changed = await world.write('changed.csv', 'url,code\nhttps://e.example/changed,heard-1\n');
    await world.import(file, '--owner', email);
    await world.import(file, '--owner', email);
    await world.import(changed, '--owner', email, '--on-conflict', 'overwrite');
    const events = await world.query<{ event: string }>('SELECT event FROM outbox WHERE user_id = ?', [
      listenerId,
    ]);
    expect(events.map(({ event }) => event)).to.have.members([
      'link.created',
      'link.created',
      'link.updated',
    ]);
    expect(await world.query('SELECT 1 FROM outbox')).to.have.length(3);
  });

  it('makes nothing twice when the same file comes again', async () => {
    const file = await world.write(
      'again.csv',
      manyLinks(1_500, { prefix: 'again' }).replaceAll('/page/', '/again/'),
    );
    await world.world.fill(0, 1_000);
    const first = await world.import(file, '--owner', OWNER);
    const before = await world.links();
    const second = await world.import(file, '--owner', OWNER);
    expect(second).to.deep.equal(first);
    expect(await world.links()).to.deep.equal(before);
    expect(first.summary.refused).to.deep.equal({ 'bad-target': 15 });
  });

  it('is followed at once by a mapper that remembers the code as unknown', async () => {
    await using mapper = {
      running: await world.world.start(),
      [Symbol.asyncDispose]: async () => mapper.running.stop(),
    };
    const follow = async (): Promise<[number, string | null]> => {
      const answer = await fetch(`${mapper.running.url}/not-yet-1`, { redirect: 'manual' });
      return [answer.status, answer.headers.get('location')];
    };
    expect(await follow()).to.deep.equal([404, null]);
    const file = await world.write('absent.csv', 'url,code\nhttps://e.example/there,not-yet-1\n');
    await world.import(file);
    expect(await follow()).to.deep.equal([302, 'https://e.example/there']);
  });

  it('refuses targets whose domain an administrator has blocked, and says so of each', async () => {
    const db = openUsersDb({ url: world.env['KEYMILL_USERS_DB'] ?? '' });
    const block = { id: 1n, domain: 'evil.example', note: null, blockedBy: ownerId, blockedAt: new Date() };
    await db.domains.add(block);
    try {
      const targets = ['https://evil.example/a', 'https://www.Evil.example/b', 'https://notevil.example/c'];
      const file = await world.write('blocked.csv', `url\n${targets.join('\n')}\n`);
      for (const args of [[file, '--dry-run'], [file]]) {
        const { outcomes } = await world.import(...args);
        const refused = outcomes.filter((outcome) => 'reason' in outcome);
        expect(refused.map(({ row }) => row)).to.deep.equal([1, 2]);
        for (const outcome of refused)
          expect(outcome).to.have.property('message').that.includes('points at a blocked domain');
      }
      const stored = (await world.links()).map(({ target }) => target);
      expect(stored).to.include('https://notevil.example/c');
      expect(stored.filter((target) => target?.includes('evil.example/') === true)).to.have.length(1);
    } finally {
      await db.domains.remove(block.domain);
      await db.close();
    }
  });

  it('stores nothing while it cannot know which domains are blocked', async () => {
    const file = await world.write('unknown.csv', 'url\nhttps://unknown.example/\n');
    const nowhere = world.env['KEYMILL_USERS_DB']?.replace(/:\d+\//, ':9/');
    const env = { ...world.env, KEYMILL_USERS_DB: nowhere };
    const { exitCode, stderr } = await runKeymill(['import', file], env);
    expect(exitCode, stderr).to.equal(2);
    expect(stderr).to.include('users');
    const stored = (await world.links()).map(({ target }) => target);
    expect(stored).not.to.include('https://unknown.example/');
    const dry = await runKeymill(['import', file, '--dry-run'], env);
    expect(dry.exitCode).to.equal(0);
    expect(dry.stderr).to.include('domains that administrators have blocked are not recognised');
  });

  it('says what links without an owner lose', async () => {
    const file = await world.write('tags.csv', 'url,code,tags\nhttps://e.example/tags,nobody-1,a|b\n');
    const { outcomes } = await world.import(file);
    expect(outcomes[0]).to.deep.include({
      notes: ['tags: left out, because a link without an owner has none'],
    });
  });

  it('writes which links have got another code, completely also in a repeated run', async () => {
    const file = await world.write(
      'rename.csv',
      'url,code\nhttps://e.example/r1,api\nhttps://e.example/r2,"a+"\n',
    );
    const map = file.replace('.csv', '-map.csv');
    const { outcomes } = await world.import(file, '--rename', map);
    const [one, two] = outcomes.map((outcome) => ('result' in outcome ? outcome.unique_id : ''));
    const written = await readFile(map, 'utf8');
    expect(written).to.equal(`former_code,unique_id\r\napi,${one}\r\na+,${two}\r\n`);
    await world.import(file, '--rename', map);
    expect(await readFile(map, 'utf8')).to.equal(written);
  });

  describe('a code that is taken', () => {
    const FILE = 'url,code,title\nhttps://e.example/new,CODE,New\nhttps://e.example/free,CODE-free,Free\n';
    let number = 0;
    const taken = async (owner: string | undefined): Promise<{ code: string; file: string }> => {
      const code = `taken-${(number += 1)}`;
      const old = await world.write(`${code}-old.csv`, `url,code,title\nhttps://e.example/old,${code},Old\n`);
      await world.import(old, ...(owner === undefined ? [] : ['--owner', owner]));
      return { code, file: await world.write(`${code}.csv`, FILE.replaceAll('CODE', code)) };
    };
    /** The titles of its link and of the other one of the file. */
    const titles = async (code: string): Promise<string[]> => {
      const like = [`${code}%`];
      const rows = await world.query<{ title: string }>(
        'SELECT title FROM urls WHERE unique_id LIKE ?',
        like,
      );
      return rows.map(({ title }) => title).sort();
    };

    it('is skipped, and said, with the same words for every owner', async () => {
      await world.addUser('other@example.org');
      const said: unknown[] = [];
      for (const owner of [OWNER, 'other@example.org', undefined]) {
        const { code, file } = await taken(owner);
        const { outcomes, summary } = await world.import(file, '--owner', OWNER);
        said.push(JSON.parse(JSON.stringify(outcomes[0]).replaceAll(code, 'CODE')));
        expect(summary).to.deep.include({ stored: 1, refused: { 'taken-code': 1 } });
        expect(await titles(code)).to.deep.equal(['Free', 'Old']);
      }
      expect(said[0]).to.deep.equal({
        line: 2,
        row: 1,
        code: 'CODE',
        reason: 'taken-code',
        field: 'code',
        message: '"CODE": there is a link with this code already',
      });
      expect(said).to.deep.equal([said[0], said[0], said[0]]);
    });

    it('is overwritten if it is of the same owner, and never if it is of another one', async () => {
      const own = await taken(OWNER);
      const overwrite = ['--owner', OWNER, '--on-conflict', 'overwrite'];
      const first = await world.import(own.file, ...overwrite);
      expect(first.summary).to.include({ stored: 2, overwritten: 1 });
      expect(await titles(own.code)).to.deep.equal(['Free', 'New']);
      for (const owner of ['other@example.org', undefined]) {
        const { code, file } = await taken(owner);
        const { summary } = await world.import(file, ...overwrite);
        expect(summary).to.deep.include({ stored: 1, overwritten: 0, refused: { 'taken-code': 1 } });
        expect(await titles(code)).to.deep.equal(['Free', 'Old']);
      }
    });

    it('that was skipped is overwritten when the same file comes with another wish', async () => {
      const { code, file } = await taken(OWNER);
      await world.import(file, '--owner', OWNER);
      expect(
        (await world.import(file, '--owner', OWNER, '--on-conflict', 'overwrite')).summary.overwritten,
      ).to.equal(1);
      expect(await titles(code)).to.deep.equal(['Free', 'New']);
    });

    it('is not overwritten twice: a later change of the owner stays', async () => {
      const { code, file } = await taken(OWNER);
      const overwrite = [file, '--owner', OWNER, '--on-conflict', 'overwrite'];
      await world.import(...overwrite);
      await world.query(
        "UPDATE urls SET title = 'Later', version = version + 1, changed_by = '1234567890123456' WHERE unique_id = ?",
        [code],
      );
      await world.import(...overwrite);
      expect(await titles(code)).to.deep.equal(['Free', 'Later']);
    });

    it('lets nothing be stored with --on-conflict error', async () => {
      const { code, file } = await taken(OWNER);
      const { exitCode, stdout, stderr } = await world.keymill(
        'import',
        file,
        '--owner',
        OWNER,
        '--on-conflict',
        'error',
      );
      expect(exitCode).to.equal(1);
      expect(stdout).to.equal(
        `line 2, row 1: not taken; code: "${code}": there is a link with this code already (taken-code)\n` +
          'csv, UTF-8: 2 records, 0 links are stored\nnot taken: taken-code 1\n',
      );
      expect(stderr).to.include('nothing is stored: 1 codes are taken (--on-conflict error)');
      expect(await titles(code)).to.deep.equal(['Old']);
    });
  });

  for (const [name, bytes, said] of [
    [
      'wrong-byte.csv',
      Buffer.from('url,code\nhttps://e.example/a,bytes-1\nhttps://e.example/\xff,bytes-2\n', 'latin1'),
      'wrong-encoding',
    ],
    [
      'cut.json',
      Buffer.from('[{"long_url":"https://e.example/a","unique_id":"bytes-1"},{"long_url":"https://e.ex'),
      'cut-off',
    ],
  ] as const) {
    it(`stores nothing of a file that cannot be read to its end: ${name}`, async () => {
      const file = await world.write(name, '');
      const { writeFile } = await import('node:fs/promises');
      await writeFile(file, bytes);
      const { exitCode, stdout, stderr } = await world.keymill('import', file);
      expect(exitCode).to.equal(1);
      expect(stdout).to.include(said);
      expect(stderr).to.include('is stored, because it cannot be read to its end');
      expect(await world.query("SELECT 1 FROM urls WHERE unique_id = 'bytes-1'")).to.deep.equal([]);
    });
  }

  it('says what is wrong as one JSON document too', async () => {
    const broken = await world.write('cut-off.json', '[{"long_url":"https://e.ex');
    const { exitCode, stdout } = await world.keymill('import', broken, '--json');
    expect(exitCode).to.equal(1);
    const { outcomes, summary } = JSON.parse(stdout) as Said;
    expect(outcomes[0]).to.include({ reason: 'unknown-format' });
    expect(summary).to.include({ import_id: null, stored: 0 });
  });

  it('wants to know whose links may be overwritten', async () => {
    const file = await world.write('whose.csv', 'url\n');
    const { exitCode, stderr } = await world.keymill('import', file, '--on-conflict', 'overwrite');
    expect(exitCode).to.equal(2);
    expect(stderr).to.include('--owner');
  });
});
