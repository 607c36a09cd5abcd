import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { People } from '../mapper/api/people.ts';
import { send } from '../mapper/client.ts';
import { createWorld, type World } from '../mapper/world.ts';
import { until } from '../until.ts';
import { runKeymill } from './run-keymill.ts';

type Answering = (request: IncomingMessage, response: ServerResponse, count: number) => void | Promise<void>;

/** A server in the place of the service. `count`: which request it is, from 1. */
async function serve(answer: Answering): Promise<{ origin: string } & AsyncDisposable> {
  let count = 0;
  const server = createServer((request, response) => void answer(request, response, (count += 1)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answerProblem(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'Content-Type': 'application/problem+json', ...headers });
  response.end(JSON.stringify({ type: 'urn:keymill:problem:x', title: 'X', status, detail: 'It is so.' }));
}

function answerLink(response: ServerResponse, key: string): void {
  response.writeHead(201, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ short_url: `https://go.example/${key}`, unique_id: key }));
}

describe('keymill shorten', function () {
  this.timeout(60_000);
  let world: World;
  let origin: string;
  let apiKey: string;
  let env: Record<string, string>;

  before(async () => {
    world = await createWorld({ keys: 500, hasUsers: true });
    ({ url: origin } = await world.start());
    env = { KEYMILL_PUBLIC_URL: origin };
    await using people = new People(world.usersUrl);
    ({ key: apiKey } = await people.key(await people.person(), ['links:create']));
  });

  after(async () => world[Symbol.asyncDispose]());

  it('prints the short link and nothing else, and it leads to the URL', async () => {
    for (const args of [['https://example.com/a'], ['--url', 'https://example.com/a']]) {
      const { exitCode, stdout, stderr } = await runKeymill(['shorten', ...args], env);
      expect({ exitCode, stderr }).to.deep.equal({ exitCode: 0, stderr: '' });
      const [shortUrl = ''] = /^http:\/\/[\w.:]+\/[\w-]{8}(?=\n$)/.exec(stdout) ?? [];
      const followed = await send('GET', shortUrl);
      expect(followed.headers.location).to.equal('https://example.com/a');
    }
  });

  it('makes a link with alias, expiry, title and tags, as the owner of an API key', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keymill-shorten-'));
    try {
      const file = join(folder, 'key');
      await writeFile(file, `${apiKey}\n`);
      const args = ['--alias', 'spring', '--expires', '7d', '--title', 'Spring', '--tag', 'a', '--tag', 'b'];
      const outcome = await runKeymill(
        ['shorten', 'https://example.com/b', ...args, '--server', `${origin}/`, '--json'],
        { KEYMILL_API_KEY_FILE: file, KEYMILL_PUBLIC_URL: 'https://other.example' },
      );
      expect(outcome, outcome.stderr).to.include({ exitCode: 0, stderr: '' });
      const link = JSON.parse(outcome.stdout) as Record<string, unknown>;
      expect(link).to.deep.include({ unique_id: 'spring', title: 'Spring', tags: ['a', 'b'] });
      const days = (Date.parse(String(link['expiration_date'])) - Date.now()) / 86_400_000;
      expect(days).to.be.within(6.99, 7);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('with --find prints the same link for the same URL', async () => {
    const args = ['shorten', 'https://example.com/find', '--find'];
    const [first, second] = [await runKeymill(args, env), await runKeymill(args, env)];
    expect(second).to.deep.equal(first);
    expect(first.exitCode).to.equal(0);
  });

  it('says which option is wrong and what would be right', async () => {
    await runKeymill(['shorten', 'https://example.com/', '--alias', 'taken-1'], env);
    const url = 'https://example.com/';
    const refused: [readonly string[], RegExp][] = [
      [['example.com'], /the URL is not an absolute URL, such as https:/],
      [['ftp://example.com/'], /the URL must .*http/],
      [['http://127.0.0.1/'], /the URL /],
      [[url, '--alias', 'no'], /--alias must .*3/],
      [[url, '--alias', 'taken-1'], /--alias is taken: choose another/],
      [[url, '--alias', 'stats'], /--alias is reserved: choose another/],
      [[url, '--expires', 'soon'], /--expires must .*RFC 3339.*; or a time from now: 30m, 12h/],
      [[url, '--expires', '2001-01-01T00:00:00Z'], /--expires is in the past; or a time from now/],
      [[url, '--title', 'T'], /--title is only for links with an owner: send an API key in KEYMILL_API_KEY/],
      [[url, '--tag', 'T'], /--tag .* in KEYMILL_API_KEY/],
    ];
    for (const [args, expected] of refused) {
      const { exitCode, stdout, stderr } = await runKeymill(['shorten', ...args], env);
      expect({ exitCode, stdout }, args.join(' ')).to.deep.equal({ exitCode: 1, stdout: '' });
      expect(stderr).to.match(expected);
    }
    const wrongKey = await runKeymill(['shorten', url], { ...env, KEYMILL_API_KEY: `km_${'a'.repeat(46)}` });
    expect(wrongKey).to.include({ exitCode: 1, stdout: '' });
    expect(wrongKey.stderr).to.match(/KEYMILL_API_KEY: .*not valid/);
  });

  it('refuses wrong usage before it asks anybody', async () => {
    const url = 'https://example.com/';
    const wrong: [readonly string[], Record<string, string>, RegExp][] = [
      [[], {}, /URL is missing: keymill shorten https/],
      [[' '], {}, /URL is missing/],
      [[url, '--url', url], {}, /URL is given twice/],
      [['-', '--alias', 'abc'], {}, /--alias is for one link/],
      [[url, '--server', 'go.example'], {}, /--server: expected .* such as https/],
      [[url, '--server', 'https://go.example/path'], {}, /--server: expected/],
      [[url], { KEYMILL_PUBLIC_URL: 'x' }, /KEYMILL_PUBLIC_URL: expected/],
      [[url], { KEYMILL_API_KEY: 'km_1', KEYMILL_API_KEY_FILE: '/x' }, /not both/],
      [[url], { KEYMILL_API_KEY: 'two words' }, /KEYMILL_API_KEY: an API key is one word/],
      [[url], { KEYMILL_API_KEY_FILE: '/no/such/file' }, /KEYMILL_API_KEY_FILE: .*no such file/],
      [[url], { KEYMILL_PUBLIC_URL: '', KEYMILL_RUN_DIR: '/no/such' }, /up --detach[^]*--server https/],
    ];
    for (const [args, variables, expected] of wrong) {
      const { exitCode, stdout, stderr } = await runKeymill(['shorten', ...args], { ...env, ...variables });
      expect({ exitCode, stdout }, args.join(' ')).to.deep.equal({ exitCode: 2, stdout: '' });
      expect(stderr).to.match(expected);
    }
  });

  describe('of many URLs, from stdin', () => {
    const LINES = ['https://example.com/1', '', 'nonsense', `https://example.com/${'x'.repeat(20_000)}`];

    it('prints a line for each line, and says which are refused', async () => {
      const text = `${LINES.join('\r\n')}\nhttps://example.com/2`;
      const pieces = text.match(/[^]{1,7}/g) ?? [];
      const { exitCode, stdout, stderr } = await runKeymill(['shorten', '-'], env, pieces);
      expect(exitCode).to.equal(1);
      expect(stderr).to.match(
        /^line 3: the URL is not an absolute URL.*\nline 4: the URL must not be longer.*\n2 of 5 lines refused\n$/,
      );
      const printed = stdout.split('\n');
      expect(printed.map((line) => line !== '')).to.deep.equal([true, false, false, false, true, false]);
      for (const [at, target] of [
        [0, '1'],
        [4, '2'],
      ] as const) {
        const followed = await send('GET', printed[at] ?? '');
        expect(followed.headers.location).to.equal(`https://example.com/${target}`);
      }
    });

    it('writes one JSON document', async () => {
      const { exitCode, stdout } = await runKeymill(['shorten', '-', '--json'], env, [LINES.join('\n')]);
      expect(exitCode).to.equal(1);
      const { items, made, refused } = JSON.parse(stdout) as {
        items: { line: number; link?: { long_url: string }; errors?: { field: string }[] }[];
        made: number;
        refused: number;
      };
      expect({ made, refused }).to.deep.equal({ made: 1, refused: 2 });
      expect(items.map(({ line }) => line)).to.deep.equal([1, 3, 4]);
      expect(items[0]?.link?.long_url).to.equal('https://example.com/1');
      expect(items[1]?.errors?.[0]?.field).to.equal('long_url');
      const nothing = await runKeymill(['shorten', '-', '--json'], env);
      expect(nothing.exitCode).to.equal(0);
      expect(JSON.parse(nothing.stdout)).to.deep.equal({ items: [], made: 0, refused: 0 });
    });

    it('reads no further than it has answers, and answers in the order of the lines', async () => {
      const waiting: (() => void)[] = [];
      await using slow = await serve((_, response, count) => {
        waiting.push(() => answerLink(response, `k${count}`));
      });
      let read = 0;
      async function* endless(): AsyncGenerator<string> {
        while (read < 200) {
          read += 1;
          yield `https://example.com/${read}\n`;
        }
      }
      const running = runKeymill(['shorten', '-', '--server', slow.origin], {}, endless());
      await until('the first requests', () => waiting.length === 8);
      expect(read).to.be.below(12);
      for (let done = 0; done < 200; done += 1) {
        await until('a request', () => waiting.length > 0);
        waiting.pop()?.();
      }
      const { exitCode, stdout } = await running;
      expect(exitCode).to.equal(0);
      expect(stdout.split('\n')).to.have.length(201);
    });

    it('answers a line before the next one comes', async () => {
      await using server = await serve((_, response, count) => answerLink(response, `k${count}`));
      let printed = '';
      async function* oneByOne(): AsyncGenerator<string> {
        for (const count of [1, 2]) {
          yield `https://example.com/${count}\n`;
          await until('the answer', () => printed.endsWith(`k${count}\n`));
        }
      }
      const args = ['shorten', '-', '--server', server.origin];
      const { exitCode } = await runKeymill(args, {}, oneByOne(), (text) => (printed += text));
      expect(exitCode).to.equal(0);
    });

    it('stops when the service does not answer, though the next line has not come', async () => {
      await using broken = await serve((_, response) => answerProblem(response, 503));
      const ending = Promise.withResolvers<void>();
      async function* waiting(): AsyncGenerator<string> {
        yield 'https://example.com/\n';
        await ending.promise;
      }
      const outcome = await runKeymill(['shorten', '-', '--server', broken.origin], {}, waiting());
      ending.resolve();
      expect(outcome.exitCode).to.equal(2);
      expect(outcome.stderr).to.match(/stopped before line 1/);
    });

    it('stops when the service goes away, and says from where to go on', async () => {
      await using broken = await serve((request, response, count) => {
        if (count > 3) answerProblem(response, 503);
        else answerLink(response, `k${count}`);
        request.resume();
      });
      const lines = Array.from({ length: 20 }, (_, i) => `https://example.com/${i}`).join('\n');
      const outcome = await runKeymill(['shorten', '-', '--server', broken.origin], {}, [lines]);
      expect(outcome.exitCode).to.equal(2);
      expect(outcome.stdout.trim().split('\n')).to.have.length(3);
      expect(outcome.stderr)
        .to.match(/stopped before line 4/)
        .and.match(/answers 503: It is so\./);
    });

    it('waits where the service says that too many requests have come', async () => {
      await using limited = await serve((_, response, count) => {
        if (count === 1) answerProblem(response, 429, { 'Retry-After': '0' });
        else answerLink(response, 'k');
      });
      const args = ['--server', limited.origin];
      const many = await runKeymill(['shorten', '-', ...args], {}, ['https://example.com/']);
      expect(many).to.include({ exitCode: 0, stdout: 'https://go.example/k\n' });
      expect(many.stderr).to.match(/too many requests: going on in 0 s/);
    });
  });

  it('makes one link when an answer is lost, and asks again where a service is away for a moment', async () => {
    const target = 'https://example.com/lost';
    const bodies: string[] = [];
    await using between = await serve(async (request, response, count) => {
      if (count === 1) {
        answerProblem(response, 503, { 'Retry-After': '0' });
        return;
      }
      const body = (await request.toArray()).map(String).join('');
      const { 'idempotency-key': key = '' } = request.headers;
      bodies.push(`${String(key)} ${body}`);
      const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': String(key) };
      const answer = await send('POST', `${origin}/urls`, { headers, body });
      if (count === 2) request.socket.destroy();
      else response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(answer.text);
    });
    const outcome = await runKeymill(['shorten', target, '--server', between.origin]);
    expect(outcome, outcome.stderr).to.include({ exitCode: 0, stderr: '' });
    expect(bodies).to.have.length(2);
    expect(bodies[0]).to.equal(bodies[1]);
    const counts = await Promise.all(
      world.urls.map(async ({ sql }) => {
        const [rows] = await sql.query('SELECT unique_id FROM urls WHERE original_url = ?', [target]);
        return (rows as object[]).length;
      }),
    );
    expect(counts.reduce((sum, count) => sum + count, 0)).to.equal(1);
  });

  it('tells a service that is away, that redirects, or that is no Keymill', async () => {
    await using other = await serve((_, response) => void response.end('<html>'));
    await using moved = await serve((_, response) => {
      response.writeHead(308, { Location: 'https://go.example/urls' }).end();
    });
    await using limited = await serve((_, response) => answerProblem(response, 429));
    const { origin: gone } = await (async () => {
      await using closed = await serve(() => undefined);
      return { origin: closed.origin };
    })();
    const cases: [string, number, RegExp][] = [
      [gone, 2, /does not answer: .*ECONNREFUSED/],
      [other.origin, 2, /not as a Keymill does: name its address with --server/],
      [moved.origin, 2, /redirects to https:\/\/go\.example\/urls: name/],
      [limited.origin, 1, /It is so/],
    ];
    for (const [server, exitCode, expected] of cases) {
      const outcome = await runKeymill(['shorten', 'https://example.com/', '--server', server]);
      expect(outcome, outcome.stderr).to.include({ exitCode, stdout: '' });
      expect(outcome.stderr).to.match(expected);
    }
  });
});
