import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { askAdmin } from '../../runtime/admin-client.ts';
import { BadBodyError, startAdmin, type Admin, type AdminOptions } from '../../runtime/admin.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { createLog } from '../../runtime/log.ts';
import { createMetrics, type Metrics } from '../../runtime/metrics.ts';
import { ADMIN_TOKEN, AS_OPERATOR } from '../admin-token.ts';
import { send, sendRaw, type Answer } from '../mapper/client.ts';
import { until } from '../until.ts';

async function start(options: Partial<AdminOptions> = {}): Promise<Admin> {
  return startAdmin({
    host: '127.0.0.1',
    port: 0,
    names: [],
    token: ADMIN_TOKEN,
    metrics: createMetrics(),
    ready: () => ({ ok: true }),
    log: createLog('test', 'admin', 'silent'),
    ...options,
  });
}

async function listen(answer: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => void server.close() };
}

const JSON_TYPE = { 'content-type': 'application/json' };

describe('admin port', () => {
  it('answers livez, readyz and metrics, and its routes', async () => {
    const metrics = createMetrics();
    metrics.counter('things_total', 'things').inc();
    let ok = false;
    await using admin = await start({
      metrics,
      ready: () => ({ ok, waitingFor: 'godot' }),
      routes: {
        'POST /echo': async (body) => body,
        'POST /refuse': async () => {
          throw new KeymillError('NOT_NOW', 'not now');
        },
      },
    });
    expect((await fetch(`${admin.url}/livez`)).status).to.equal(200);
    const unready = await fetch(`${admin.url}/readyz`);
    expect([unready.status, await unready.json()]).to.deep.equal([503, { ok: false, waitingFor: 'godot' }]);
    ok = true;
    expect((await fetch(`${admin.url}/readyz`)).status).to.equal(200);
    expect((await send('HEAD', `${admin.url}/readyz`)).status).to.equal(200);
    expect(await (await fetch(`${admin.url}/metrics`)).text()).to.contain('keymill_things_total 1');
    const post = async (path: string, body: string): Promise<Answer> =>
      send('POST', admin.url + path, { headers: { ...AS_OPERATOR, ...JSON_TYPE }, body });
    expect((await post('/echo', '{"a":1}')).json()).to.deep.equal({ a: 1 });
    expect((await post('/refuse', '{}')).status).to.equal(409);
    expect((await post('/nowhere', '{}')).status).to.equal(404);
  });

  it('bound to every address, it names one under which other processes reach it', async () => {
    await using admin = await start({ host: '0.0.0.0' });
    expect(admin.url).not.to.contain('0.0.0.0');
    expect((await fetch(`${admin.url}/livez`)).status).to.equal(200);
  });

  describe('obeys no web page', () => {
    let admin: Admin;
    let drains = 0;

    before(async () => {
      admin = await start({
        names: ['keymill.internal'],
        routes: {
          'POST /drain': async ({ drained }) => {
            if (typeof drained !== 'boolean') throw new BadBodyError('{"drained": true}');
            drains += 1;
            return { drained };
          },
          'GET /reserve': async () => ({ keys: ['aKey'] }),
        },
      });
    });

    beforeEach(() => {
      drains = 0;
    });

    after(async () => admin[Symbol.asyncDispose]());

    const drain = async (
      headers: Readonly<Record<string, string>>,
      body = '{"drained":true}',
    ): Promise<Answer> => send('POST', `${admin.url}/drain`, { headers, body });

    it('a page cannot drain: text/plain, a foreign Host and Origin, no token', async () => {
      const page = { Host: 'evil.example', Origin: 'https://evil.example', 'Content-Type': 'text/plain' };
      expect((await drain(page, '{}')).status).to.equal(403);
      expect((await drain({ ...page, ...AS_OPERATOR }, '{}')).status).to.equal(403);
      expect((await drain({ ...AS_OPERATOR, 'Content-Type': 'text/plain' })).status).to.equal(415);
      expect(drains).to.equal(0);
    });

    it('a page cannot read: a rebound name, a cross-site GET, a frame without origin', async () => {
      const ask = async (path: string, headers: Readonly<Record<string, string>>): Promise<number> =>
        (await send('GET', admin.url + path, { headers: { ...AS_OPERATOR, ...headers } })).status;
      expect(await ask('/reserve', {})).to.equal(200);
      expect(await ask('/reserve', { Host: 'keymill.internal:1' })).to.equal(200);
      for (const path of ['/reserve', '/metrics', '/readyz', '/livez']) {
        expect(await ask(path, { Host: 'rebound.example' }), path).to.equal(403);
        expect(await ask(path, { 'Sec-Fetch-Site': 'cross-site' }), path).to.equal(403);
        expect(await ask(path, { Origin: 'null' }), path).to.equal(403);
      }
    });

    it('no token, and a wrong one: 401 asks for a Bearer token', async () => {
      for (const headers of [JSON_TYPE, { ...JSON_TYPE, authorization: 'Bearer wrong' }]) {
        const answer = await drain(headers);
        expect([answer.status, answer.headers['www-authenticate']]).to.deep.equal([401, 'Bearer']);
        expect(answer.text).to.include('KEYMILL_ADMIN_TOKEN').and.not.include(ADMIN_TOKEN);
      }
      expect(drains).to.equal(0);
      expect((await drain({ ...JSON_TYPE, ...AS_OPERATOR })).json()).to.deep.equal({ drained: true });
    });

    it('a change wants a body that says what to do', async () => {
      const headers = { ...AS_OPERATOR, ...JSON_TYPE };
      for (const body of ['', '{', '[]', '"drain"', 'null', '{}', '{"drained":"yes"}']) {
        const answer = await drain(headers, body);
        expect(answer.status, body).to.equal(400);
        expect(answer.text, body).to.include('expected');
      }
      expect((await drain(headers, `{"drained":true,"x":"${'x'.repeat(70_000)}"}`)).status).to.equal(413);
      expect(drains).to.equal(0);
      for (const method of ['GET', 'OPTIONS', 'PUT']) {
        const answer = await send(method, `${admin.url}/drain`, { headers: AS_OPERATOR });
        expect([answer.status, answer.headers['allow']], method).to.deep.equal([405, 'POST']);
      }
      expect((await send('POST', `${admin.url}/livez`)).status).to.equal(405);
    });
  });

  describe('takes one request of each connection', () => {
    const GET = 'GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
    const BODY = '{"drained":true}';
    const POST = `POST /drain HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
    const CONNECT = 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n';
    let admin: Admin;
    let drains = 0;
    let waiting = 0;
    const release = Promise.withResolvers<void>();

    before(async () => {
      admin = await start({
        routes: {
          'POST /wait': async () => {
            waiting += 1;
            await release.promise;
          },
          'POST /drain': async () => {
            await delay(20);
            drains += 1;
            return { drains };
          },
        },
      });
    });

    beforeEach(() => {
      drains = 0;
    });

    after(async () => admin[Symbol.asyncDispose]());

    const statusesOf = (text: string): number[] =>
      [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

    for (const [what, bytes, status] of [
      ['requests behind a GET', GET.repeat(2_000), 200],
      ['requests behind a POST', POST + POST + GET, 200],
      ['garbage behind a GET', `${GET}GARBAGE\r\n\r\n`, 200],
      ['garbage behind a POST', `${POST}GARBAGE\r\n\r\n`, 200],
      ['CONNECT behind a POST', POST + CONNECT, 200],
      ['CONNECT', CONNECT + GET, 405],
      ['garbage', 'GARBAGE\r\n\r\n', 400],
      ['a wrong chunk', POST.replace(/Content-Length.*/s, 'Transfer-Encoding: chunked\r\n\r\nz'), 400],
      ['too many headers', GET.replace('Host', `A: ${'a'.repeat(20_000)}\r\nHost`), 431],
    ] as const) {
      it(`answers ${status} and closes: ${what}`, async () => {
        const answer = await sendRaw(admin.url, bytes);
        expect(statusesOf(answer), answer).to.deep.equal([status]);
        expect(answer).to.match(/\r\nConnection: close\r\n/i);
        expect(drains).to.equal(bytes.startsWith(POST) ? 1 : 0);
      });
    }

    describe('and 256 connections at a time', () => {
      const portOf = (): number => Number(new URL(admin.url).port);
      let sockets: Socket[];

      /** Opens connections, one after the other, and sends the same bytes on each. */
      async function open(count: number, bytes = ''): Promise<void> {
        for (let opened = 0; opened < count; opened += 1) {
          const socket = connect(portOf(), '127.0.0.1').on('error', () => undefined);
          sockets.push(socket.resume());
          await once(socket, 'connect');
          if (bytes !== '') socket.write(bytes);
        }
      }

      const isOpen = ({ closed }: Socket): boolean => !closed;

      beforeEach(() => {
        sockets = [];
      });

      afterEach(async () => {
        for (const socket of sockets) socket.destroy();
        await until('room', async () => (await send('GET', `${admin.url}/livez`)).status === 200);
      });

      for (const [what, bytes] of [
        ['that are silent', ''],
        ['with a part of a request', 'GET /livez HTTP/1.1\r\nHost: 127'],
      ] as const) {
        it(`those ${what} lose their place to newcomers, the oldest first`, async () => {
          await open(256, bytes);
          const startMs = performance.now();
          for (let request = 0; request < 5; request += 1)
            expect((await send('GET', `${admin.url}/livez`)).status).to.equal(200);
          expect(performance.now() - startMs).to.be.below(2_000);
          const closed = sockets.findIndex(isOpen);
          expect(closed).to.be.within(1, 5);
          expect(sockets.filter(isOpen)).to.have.length(256 - closed);
          await open(300, bytes);
          await until('the limit', () => sockets.filter(isOpen).length <= 256);
          expect((await send('GET', `${admin.url}/livez`)).status).to.equal(200);
        });
      }

      it('those whose requests are being answered keep their place, and newcomers are closed', async () => {
        await open(256, POST.replace('/drain', '/wait'));
        await until('all requests', () => waiting === 256);
        const newcomer = connect(portOf(), '127.0.0.1').on('error', () => undefined);
        await once(newcomer, 'close');
        expect(sockets.filter(isOpen)).to.have.length(256);
        let answers = 0;
        for (const socket of sockets)
          socket.on('data', (chunk) => (answers += statusesOf(chunk.toString()).length));
        release.resolve();
        await until('all answers', () => answers === 256);
      });
    });

    it('answers a client that ends its side (FIN) after the request', async () => {
      for (const bytes of [POST, GET, '']) {
        const socket = connect({
          port: Number(new URL(admin.url).port),
          host: '127.0.0.1',
          allowHalfOpen: true,
        });
        let answer = '';
        socket.on('data', (chunk) => (answer += chunk.toString()));
        const ended = once(socket, 'end');
        socket.end(bytes);
        await ended;
        expect(statusesOf(answer), bytes).to.deep.equal(bytes === '' ? [] : [200]);
      }
      expect(drains).to.equal(1);
    });
  });

  it('makes the page of metrics once for all who wait for it, at most ten times a second', async () => {
    let pages = 0;
    const metrics: Pick<Metrics, 'text' | 'contentType'> = {
      contentType: 'text/plain',
      text: async () => `page ${(pages += 1)}`,
    };
    await using admin = await start({ metrics });
    const scrape = async (): Promise<string> => (await send('GET', `${admin.url}/metrics`)).text;
    const startedMs = performance.now();
    for (let round = 1; round <= 5; round += 1) {
      const before = pages;
      const answers = await Promise.all(Array.from({ length: 50 }, scrape));
      // No page is older than the question.
      for (const answer of answers) expect(Number(answer.split(' ')[1])).to.be.greaterThan(before);
    }
    expect(pages).to.be.at.most(1 + (performance.now() - startedMs) / 100);
  });

  it('without a token it answers only livez, readyz and metrics, and names the variable', async () => {
    await using admin = await start({
      token: undefined,
      routes: { 'GET /reserve': async () => ({ keys: [] }) },
    });
    for (const path of ['/livez', '/readyz', '/metrics'])
      expect((await send('GET', admin.url + path)).status, path).to.equal(200);
    const refused = await send('GET', `${admin.url}/reserve`, { headers: AS_OPERATOR });
    expect(refused.status).to.equal(403);
    expect(refused.json()['error']).to.include('KEYMILL_ADMIN_TOKEN is not set');
  });

  describe('askAdmin', () => {
    it('tells a refusal, with its reason, from a process that does not answer', async () => {
      await using admin = await start({ routes: { 'GET /reserve': async () => ({ keys: ['aKey'] }) } });
      const ask = async (url: string, token: string | undefined): Promise<unknown> =>
        askAdmin({ url, token }, 'GET', '/reserve', { timeoutMs: 2_000 }).catch((error: unknown) => error);
      expect(await ask(admin.url, ADMIN_TOKEN)).to.deep.equal({ keys: ['aKey'] });
      expect(await ask(admin.url, undefined)).to.include({ code: 'ADMIN_REFUSED' });
      expect(await ask(admin.url, 'another-token-of-ours'))
        .to.be.instanceOf(KeymillError)
        .with.property('message')
        .that.includes('wrong token');
      const gone = await start();
      await gone[Symbol.asyncDispose]();
      const silent = await ask(gone.url, ADMIN_TOKEN);
      expect(silent).to.include({ code: 'ADMIN_UNREACHABLE' });
      expect(silent).to.have.property('message').that.includes('ECONNREFUSED');
    });

    it('reads an answer that has come while the event loop of its own process was blocked', async () => {
      const wasAsked = Promise.withResolvers<ServerResponse>();
      await using server = await listen((_, response) => wasAsked.resolve(response));
      const answer = askAdmin({ url: server.url, token: undefined }, 'GET', '/reserve', { timeoutMs: 300 });
      const response = await wasAsked.promise;
      response.end('{"keys":[]}');
      const untilMs = performance.now() + 600;
      while (performance.now() < untilMs);
      expect(await answer).to.deep.equal({ keys: [] });
    });

    it('does not wait for ever', async () => {
      await using server = await listen(() => undefined);
      const answer = askAdmin({ url: server.url, token: undefined }, 'GET', '/reserve', { timeoutMs: 50 });
      expect(await answer.catch((error: unknown) => error)).to.deep.include({
        code: 'ADMIN_UNREACHABLE',
        message: 'the process did not answer within 50 ms',
      });
    });

    it('carries the token to no other address', async () => {
      let asked = 0;
      await using thief = await listen((_, response) => {
        asked += 1;
        response.end('{}');
      });
      await using redirecting = await listen((_, response) => {
        response.writeHead(307, { location: `${thief.url}/reserve` }).end();
      });
      const address = { url: redirecting.url, token: ADMIN_TOKEN };
      const answer = askAdmin(address, 'GET', '/reserve', { timeoutMs: 2_000 });
      const error: unknown = await answer.catch((reason: unknown) => reason);
      expect(error).to.include({ code: 'ADMIN_UNREACHABLE' });
      expect(asked).to.equal(0);
    });
  });
});
