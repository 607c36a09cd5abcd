import { expect } from 'chai';
import { createConnection } from 'mysql2/promise';
import { createSecret, SecretBox } from '../../../mapper/webhooks/secrets.ts';
import { EVENTS } from '../../../db/outbox/outbox.ts';
import { until } from '../../until.ts';
import { expectProblem } from '../client.ts';
import { problemKind } from '../api/api-client.ts';
import { isSigned, status } from './receiver.ts';
import { untilReceived, useWebhooks } from './use-webhooks.ts';

describe('webhooks of an owner', () => {
  const fixture = useWebhooks();
  const { api, owner, hook, call, emit, deliveries } = fixture;

  it('are listed without secrets, newest first, and only to their owner', async () => {
    const [ana, ben] = [await owner(), await owner()];
    const first = await hook(ana, '/first');
    const second = await hook(ana, '/second', ['link.deleted']);
    const list = await api.call('GET', '/users/me/webhooks', { cookie: ana.cookie });
    const items = list.json()['items'] as Record<string, unknown>[];
    expect(items.map((item) => item['webhook_id'])).to.deep.equal([second.id, first.id]);
    expect(items.map((item) => item['events'])).to.deep.equal([['link.deleted'], EVENTS]);
    expect(list.text).not.to.include('whsec_');
    for (const [method, rest, body] of [
      ['PATCH', '', {}],
      ['DELETE', ''],
      ['POST', '/test'],
      ['POST', '/secret'],
      ['GET', '/deliveries'],
    ] as const) {
      const answer = await call(method, ben, first.id, rest, body);
      expect([answer.status, problemKind(answer)], method + rest).to.deep.equal([404, 'not-found']);
    }
    const seen = await api.call('GET', '/users/me/webhooks', { cookie: ben.cookie });
    expect(seen.json()['items']).to.deep.equal([]);
  });

  for (const [url, reason] of [
    ['ftp://example.com/', 'must be an http or https URL'],
    ['https://user:secret@example.com/', 'must not contain credentials'],
    ['nonsense', 'is not an absolute URL, such as https://example.com/page'],
    [`https://example.com/${'a'.repeat(3_000)}`, 'is longer than 2048 bytes'],
  ] as const)
    it(`are refused with the URL ${url.slice(0, 40)}: ${reason}`, async () => {
      const { cookie } = await owner();
      const answer = await api.call('POST', '/users/me/webhooks', { cookie, body: { url } });
      expectProblem(answer, 422);
      expect(answer.json()['errors']).to.deep.equal([{ field: 'url', reason }]);
    });

  for (const [body, field, reason] of [
    [{}, 'url', 'is required'],
    [{ url: 1 }, 'url', 'must be a string'],
    [{ url: 'https://example.com/', events: [] }, 'events', 'must name at least one event'],
    [
      { url: 'https://example.com/', events: ['link.made'] },
      'events.0',
      `must be one of ${EVENTS.join(', ')}`,
    ],
    [
      { url: 'https://example.com/', events: ['link.created', 'link.created'] },
      'events',
      'must name each event once',
    ],
    [{ url: 'https://example.com/', events: 'all' }, 'events', 'must be a list of events'],
    [{ url: 'https://example.com/', events: 'link.created' }, 'events', 'must be a list of events'],
    [{ url: 'https://example.com/', events: '' }, 'events', 'must be a list of events'],
    [{ url: 'https://example.com/', secret: 'whsec_AAAA' }, 'secret', 'unknown field'],
  ] as const)
    it(`are refused with the body ${JSON.stringify(body).slice(0, 80)}`, async () => {
      const { cookie } = await owner();
      const answer = await api.call('POST', '/users/me/webhooks', { cookie, body });
      expectProblem(answer, 422);
      expect(answer.json()['errors']).to.deep.equal([{ field, reason }]);
    });

  it('are at most 20', async () => {
    const ana = await owner();
    const made = await Promise.all(
      Array.from({ length: 24 }, async () =>
        api.call('POST', '/users/me/webhooks', { cookie: ana.cookie, body: { url: 'https://example.com/' } }),
      ),
    );
    expect(made.filter((answer) => answer.status === 201)).to.have.length(20);
    expectProblem(made.find((answer) => answer.status !== 201) ?? expect.fail(), 422);
  });

  it('say at once what becomes of a test, also one that is off', async () => {
    const ana = await owner();
    const { id, secret } = await hook(ana, '/test-me', ['link.deleted']);
    const good = await call('POST', ana, id, '/test');
    expect(good.json()).to.deep.include({ event: 'webhook.test', status: 204, reason: null, next_at: null });
    await call('PATCH', ana, id, '', { disabled: true });
    fixture.receiver.answer = status(500);
    const bad = await call('POST', ana, id, '/test').finally(() => (fixture.receiver.answer = status(204)));
    expect(bad.json()).to.deep.include({ status: 500, reason: 'it answered 500' });
    const arrived = fixture.receiver.received.filter(({ path }) => path === '/test-me');
    expect(arrived.map((one) => isSigned(one, secret))).to.deep.equal([true, true]);
    expect(JSON.parse(arrived[0]?.body ?? '')).to.deep.include({ type: 'webhook.test' });
    expect(arrived[0]?.headers['webhook-id']).to.equal(good.json()['event_id']);
    const recorded = await deliveries(ana, id);
    expect(recorded).to.deep.equal([bad.json(), good.json()]);
  });

  it('sign with two secrets while one rotates, and then with the new one', async () => {
    const ana = await owner();
    const { id, secret: first } = await hook(ana, '/rotating');
    const rotated = await call('POST', ana, id, '/secret');
    const second = String(rotated.json()['secret']);
    expect(rotated.json()['previous_secret_until']).to.be.a('string');
    await call('POST', ana, id, '/test');
    const both = fixture.receiver.received.at(-1) ?? expect.fail();
    expect([isSigned(both, first), isSigned(both, second)]).to.deep.equal([true, true]);
    // The answer was lost, and it is repeated.
    const third = String((await call('POST', ana, id, '/secret')).json()['secret']);
    await call('POST', ana, id, '/test');
    const all = fixture.receiver.received.at(-1) ?? expect.fail();
    const secrets = [first, second, third];
    expect(secrets.map((secret) => isSigned(all, secret))).to.deep.equal([true, true, true]);
    // As if a day had passed.
    const passed = "REGEXP_REPLACE(previous_secrets, ':[0-9]+', ':1')";
    const sql = await createConnection(fixture.world.usersUrl);
    await sql.query(`UPDATE webhooks SET previous_secrets = ${passed} WHERE webhook_id = x'${id}'`);
    await sql.end();
    const later = await call('POST', ana, id, '/test');
    expect(later.status).to.equal(200);
    const one = fixture.receiver.received.at(-1) ?? expect.fail();
    expect(secrets.map((secret) => isSigned(one, secret))).to.deep.equal([false, false, true]);
  });

  it('sign with a new secret, and those before it that can be read', async () => {
    const ana = await owner();
    const { id, secret } = await hook(ana, '/unreadable');
    const foreign = new SecretBox('the secret of another cluster').seal(createSecret(), id);
    const until = new Date(Date.now() + 86_400_000);
    await fixture.people.db.webhooks.rotate(id, ana.id, foreign, until);
    expect((await call('POST', ana, id, '/test')).json()['reason']).to.equal(
      'its secret cannot be read: make a new one',
    );
    const rotated = await call('POST', ana, id, '/secret');
    expect((await call('POST', ana, id, '/test')).json()['status']).to.equal(204);
    const one = fixture.receiver.received.at(-1) ?? expect.fail();
    const secrets = [secret, String(rotated.json()['secret'])];
    expect(secrets.map((known) => isSigned(one, known))).to.deep.equal([true, true]);
  });

  it('have eight secrets before the last one at most', async () => {
    const ana = await owner();
    const { id } = await hook(ana, '/many-secrets');
    for (let times = 0; times < 10; times += 1) await call('POST', ana, id, '/secret');
    const stored = await fixture.people.db.webhooks.find(id, ana.id);
    expect(stored?.previousSecrets.map(({ secret }) => secret.length)).to.deep.equal(Array(8).fill(61));
  });

  it('are tested once at a time by one owner', async () => {
    const ana = await owner();
    const { id } = await hook(ana, '/slow-test');
    const release = Promise.withResolvers<void>();
    fixture.receiver.answer = (_, response) => void release.promise.then(() => response.writeHead(204).end());
    const first = call('POST', ana, id, '/test');
    await untilReceived(fixture.receiver, '/slow-test', 1);
    const second = await call('POST', ana, id, '/test');
    expect([second.status, problemKind(second)]).to.deep.equal([503, 'overloaded']);
    release.resolve();
    fixture.receiver.answer = status(204);
    expect((await first).json()['status']).to.equal(204);
    expect((await call('POST', ana, id, '/test')).status).to.equal(200);
  });

  it('go on with what is new when they are switched on again', async () => {
    const ana = await owner();
    const { id } = await hook(ana, '/switched');
    const off = await call('PATCH', ana, id, '', { disabled: true });
    expect(off.json()['disabled_at']).to.be.a('string');
    expect(off.json()['disabled_reason']).to.equal('Its owner has switched it off.');
    await emit(ana);
    await until('the event is dropped', async () => (await fixture.waiting(ana)) === 0);
    const on = await call('PATCH', ana, id, '', { disabled: false });
    expect([on.json()['disabled_at'], on.json()['disabled_reason']]).to.deep.equal([null, null]);
    const ids = await emit(ana);
    await untilReceived(fixture.receiver, '/switched', 1);
    const arrived = fixture.receiver.received.filter(({ path }) => path === '/switched');
    expect(arrived.map(({ headers }) => headers['webhook-id'])).to.deep.equal(ids);
  });

  it('are not told, when they are on again, what they had not taken before they were off', async function () {
    this.timeout(30_000);
    const ana = await owner();
    const { users } = fixture.people.db;
    const { id } = await hook(ana, '/off');
    const offs: (readonly [how: string, off: () => Promise<unknown>, on: () => Promise<unknown>])[] = [
      [
        'the webhook',
        async () => call('PATCH', ana, id, '', { disabled: true }),
        async () => call('PATCH', ana, id, '', { disabled: false }),
      ],
      [
        'the account',
        async () => users.setDisabled(ana.id, true, new Date()),
        async () => users.setDisabled(ana.id, false, new Date()),
      ],
    ];
    for (const [how, off, on] of offs) {
      fixture.receiver.answer = status(500);
      fixture.receiver.received.length = 0;
      await emit(ana);
      await until(`it has failed before ${how} is off`, async () =>
        (await deliveries(ana, id)).some(
          ({ next_at: nextAt }) => Date.parse(String(nextAt)) > Date.now() + 200,
        ),
      );
      await off();
      const before = fixture.receiver.received.length;
      await on();
      fixture.receiver.answer = status(204);
      const ids = await emit(ana);
      await until('nothing waits', async () => (await fixture.waiting(ana)) === 0, { timeoutMs: 10_000 });
      const later = fixture.receiver.received.slice(before);
      expect(
        later.map(({ headers }) => headers['webhook-id']),
        how,
      ).to.deep.equal(ids);
    }
  });

  it('get only the events that they want, from the next one on after a change', async () => {
    const ana = await owner();
    const { id } = await hook(ana, '/wanting', ['link.deleted']);
    await emit(ana, 1, 'link.created');
    await until('the event is dropped', async () => (await fixture.waiting(ana)) === 0);
    const changed = await call('PATCH', ana, id, '', { events: ['link.created'] });
    expect(changed.json()['events']).to.deep.equal(['link.created']);
    await emit(ana, 1, 'link.created');
    await untilReceived(fixture.receiver, '/wanting', 1);
    expect(fixture.receiver.dataAt('/wanting')).to.have.length(1);
  });

  it('drop what was on its way when they are deleted', async () => {
    const ana = await owner();
    fixture.receiver.answer = status(500);
    const { id } = await hook(ana, '/deleted');
    await emit(ana, 3);
    await untilReceived(fixture.receiver, '/deleted', 1);
    expect((await call('DELETE', ana, id)).status).to.equal(204);
    fixture.receiver.answer = status(204);
    await until('nothing waits', async () => (await fixture.waiting(ana)) === 0);
    expectProblem(await call('GET', ana, id, '/deliveries'), 404);
  });

  it('leave no record of deliveries that end after they are deleted', async () => {
    const ana = await owner();
    const { id } = await hook(ana, '/late');
    const release = Promise.withResolvers<void>();
    fixture.receiver.answer = (_, response) => void release.promise.then(() => response.writeHead(204).end());
    await emit(ana);
    await untilReceived(fixture.receiver, '/late', 1);
    await call('DELETE', ana, id);
    fixture.receiver.answer = status(204);
    release.resolve();
    await until('nothing waits', async () => (await fixture.waiting(ana)) === 0);
    // What comes later is recorded later.
    const other = await hook(ana, '/later');
    await emit(ana);
    await until('it is recorded', async () => (await deliveries(ana, other.id)).length === 1);
    const left = await fixture.people.db.webhookDeliveries.list(id, { before: undefined, limit: 10 });
    expect(left).to.deep.equal([]);
  });

  it('page through their deliveries', async () => {
    const ana = await owner();
    const { id } = await hook(ana, '/paged');
    await emit(ana, 7);
    await until('7 deliveries are recorded', async () => (await deliveries(ana, id)).length === 7);
    const seen: unknown[] = [];
    let cursor: unknown;
    do {
      const page = await call(
        'GET',
        ana,
        id,
        `/deliveries?limit=3${typeof cursor === 'string' ? `&cursor=${cursor}` : ''}`,
      );
      seen.push(...(page.json()['items'] as unknown[]));
      cursor = page.json()['next_cursor'];
    } while (cursor !== null);
    expect(seen).to.deep.equal(await deliveries(ana, id));
    // No cursor at all; and one of a time that the database does not know.
    const late = Buffer.from(`253402300800000.${'0'.repeat(32)}`).toString('base64url');
    for (const made of ['bm9uZQ', late])
      expectProblem(await call('GET', ana, id, `/deliveries?cursor=${made}`), 422);
  });

  it('keep their secrets encrypted', async () => {
    const ana = await owner();
    const { id, secret } = await hook(ana, '/sealed');
    const stored = await fixture.people.db.webhooks.find(id, ana.id);
    const plain = Buffer.from(secret.replace('whsec_', ''), 'base64');
    expect(plain).to.have.length(32);
    expect(stored?.secret.includes(plain)).to.equal(false);
  });

  it('are gone with the account', async () => {
    const ana = await owner();
    const { id } = await hook(ana, '/gone');
    await fixture.people.delete(ana);
    await fixture.people.db.users.remove(ana.id);
    expect(await fixture.people.db.webhooks.find(id, ana.id)).to.equal(undefined);
  });
});
