import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { MAX_WAITING } from '../../../mapper/webhooks/waiting-counts.ts';
import { ranMs } from '../../ran-ms.ts';
import { until } from '../../until.ts';
import { isSigned, status } from './receiver.ts';
import { untilReceived, useWebhooks } from './use-webhooks.ts';

describe('deliveries to webhooks', () => {
  const fixture = useWebhooks();
  const { owner, hook, call, emit, deliveries } = fixture;

  afterEach(() => {
    fixture.receiver.answer = status(204);
  });

  it('bring each event once to each webhook, signed, with all that it says', async () => {
    const ana = await owner();
    const [one, two] = [await hook(ana, '/one'), await hook(ana, '/two')];
    const ids = await emit(ana, 5, 'link.created');
    for (const path of ['/one', '/two']) await untilReceived(fixture.receiver, path, 5);
    await until('nothing waits', async () => (await fixture.waiting(ana)) === 0);
    for (const [path, { secret }] of [
      ['/one', one],
      ['/two', two],
    ] as const) {
      const arrived = fixture.receiver.received.filter((request) => request.path === path);
      expect(arrived.map(({ headers }) => headers['webhook-id'])).to.have.members(ids);
      for (const request of arrived) {
        expect(isSigned(request, secret)).to.equal(true);
        expect(request.headers['content-type']).to.equal('application/json');
        const body = JSON.parse(request.body) as Record<string, unknown>;
        expect(Object.keys(body)).to.deep.equal(['type', 'timestamp', 'data']);
        expect(body['type']).to.equal('link.created');
        expect(Math.abs(Date.parse(String(body['timestamp'])) - Date.now())).to.be.below(30_000);
        expect(body['data']).to.deep.include({ unique_id: 'abc', title: 'häß\'"\\' });
      }
    }
  });

  it('come again after a failure, with the same id, until one succeeds', async () => {
    const ana = await owner();
    fixture.receiver.answer = status(500);
    const { id } = await hook(ana, '/failing');
    const [eventId] = await emit(ana);
    await untilReceived(fixture.receiver, '/failing', 3);
    await until('it is said to fail', async () => {
      const { failing_since: since } = await webhook(ana, id);
      return since !== null;
    });
    fixture.receiver.answer = status(204);
    await until('nothing waits', async () => (await fixture.waiting(ana)) === 0);
    await until('it fails no more', async () => (await webhook(ana, id))['failing_since'] === null);
    const arrived = fixture.receiver.received.filter(({ path }) => path === '/failing');
    expect(new Set(arrived.map(({ headers }) => headers['webhook-id']))).to.deep.equal(new Set([eventId]));
    const recorded = await until('all is recorded', async () => {
      const found = await deliveries(ana, id);
      return found.length === arrived.length && found;
    });
    expect(recorded.map(({ attempt }) => attempt)).to.deep.equal(
      arrived.map((_, index) => arrived.length - index),
    );
    expect(recorded[0]).to.deep.include({ status: 204, reason: null, next_at: null });
    expect(recorded[1]).to.deep.include({ status: 500, reason: 'it answered 500' });
    expect(recorded[1]?.['next_at']).to.be.a('string');
  });

  for (const [name, answer, reason] of [
    ['redirects', status(302, { location: '/elsewhere' }), 'it answered 302, and no redirect is followed'],
    ['answers 404', status(404), 'it answered 404'],
    [
      'cuts the connection',
      (request: { socket: { destroy(): void } }) => request.socket.destroy(),
      'the connection was cut before an answer came',
    ],
    [
      'answers no HTTP',
      (request: { socket: { end(text: string): void } }) => request.socket.end('SSH-2.0-x\r\n'),
      undefined,
    ],
    [
      'answers with endless headers',
      (request: { socket: { write(text: string): void } }) => {
        request.socket.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`);
      },
      'the headers of its answer exceed 16384 bytes',
    ],
  ] as const)
    it(`fail where the receiver ${name}`, async () => {
      const ana = await owner();
      const { id } = await hook(ana, '/odd');
      fixture.receiver.answer = answer;
      const tested = (await call('POST', ana, id, '/test')).json();
      if (reason === undefined) expect(tested['reason']).to.match(/^the attempt failed: /);
      else expect(tested['reason']).to.equal(reason);
      expect(fixture.receiver.dataAt('/elsewhere')).to.deep.equal([]);
    });

  it('succeed where the body of the answer never ends, and read little of it', async () => {
    const ana = await owner();
    const { id } = await hook(ana, '/endless');
    let sent = 0;
    const cut = new AbortController();
    fixture.receiver.answer = (_, response) => {
      response.writeHead(200);
      const write = (): void => {
        while (!cut.signal.aborted && response.write(Buffer.alloc(16_384))) sent += 16_384;
      };
      response.on('drain', write).on('close', () => cut.abort());
      write();
    };
    const tested = (await call('POST', ana, id, '/test')).json();
    expect(tested).to.deep.include({ status: 200, reason: null });
    await until('the connection is closed', () => cut.signal.aborted);
    expect(sent).to.be.below(16 * 2 ** 20);
  });

  it('that are dropped because too many clicks wait are said to the owner; changes go on', async () => {
    const ana = await owner();
    const hanging = Promise.withResolvers<void>();
    fixture.receiver.answer = (_, response) => void hanging.promise.then(() => response.writeHead(204).end());
    const { id } = await hook(ana, '/many-clicks');
    const [urls] = fixture.world.urls;
    // As if they had been written before.
    const rows = Array.from(
      { length: MAX_WAITING.clicks },
      () =>
        `(3, x'${randomBytes(16).toString('hex')}', ${ana.id}, 'link.clicked', '[]', UTC_TIMESTAMP(3), x'${id}',
          x'${randomBytes(16).toString('hex')}', UTC_TIMESTAMP(3) + INTERVAL 1 HOUR)`,
    );
    await urls?.sql.query(
      `INSERT INTO outbox (slot, id, user_id, event, body, created_at, webhook_id, event_id, due_at)
         VALUES ${rows.join(',')}`,
    );
    await emit(ana, 3, 'link.clicked');
    await emit(ana, 2, 'link.updated');
    await untilReceived(fixture.receiver, '/many-clicks', 1);
    const [said, ...others] = await until('it is said', async () => {
      const found = (await deliveries(ana, id)).filter(({ attempt }) => attempt === 0);
      return found.length > 0 && found;
    });
    expect(others).to.deep.equal([]);
    expect(said).to.deep.include({ event: 'link.clicked', status: null, next_at: null });
    expect(said?.['reason']).to.match(/^too many events wait/);
    hanging.resolve();
    await untilReceived(fixture.receiver, '/many-clicks', 2);
    await call('DELETE', ana, id);
  });

  it('say that nobody listens', async () => {
    const ana = await owner();
    const { id } = await hook(ana, '/nobody');
    await call('PATCH', ana, id, '', { url: 'http://127.0.0.1:1/' });
    const tested = (await call('POST', ana, id, '/test')).json();
    expect(tested).to.deep.include({ status: null, reason: 'the connection was refused' });
  });

  it('do not wait for receivers that hang, of one owner or of many', async () => {
    const release = Promise.withResolvers<void>();
    const hanging: unknown[] = [];
    fixture.receiver.answer = ({ url }, response) => {
      if (url !== '/quick') hanging.push(release.promise.then(() => response.destroy()));
      else response.writeHead(204).end();
    };
    const owners = await Promise.all(Array.from({ length: 15 }, owner));
    for (const one of owners) {
      for (let count = 0; count < 3; count += 1) await hook(one, `/hangs-${count}`);
      await emit(one, 20);
    }
    await until('many hang', () => hanging.length >= 20);
    const ben = await owner();
    await hook(ben, '/quick');
    const beganAtMs = ranMs();
    const ids = await emit(ben, 30);
    await untilReceived(fixture.receiver, '/quick', 30);
    expect(ranMs() - beganAtMs).to.be.below(5_000);
    expect(fixture.receiver.dataAt('/quick')).to.have.length(ids.length);
    release.resolve();
    for (const one of owners) await fixture.people.db.users.setDisabled(one.id, true, new Date());
    await until('nothing waits', async () => {
      const waiting = await Promise.all(owners.map(async (one) => fixture.waiting(one)));
      return waiting.every((rows) => rows === 0);
    });
  });

  async function webhook({ cookie }: { cookie: string }, id: string): Promise<Record<string, unknown>> {
    const list = await fixture.api.call('GET', '/users/me/webhooks', { cookie });
    const items = list.json()['items'] as Record<string, unknown>[];
    return items.find((item) => item['webhook_id'] === id) ?? expect.fail('it is gone');
  }
});
