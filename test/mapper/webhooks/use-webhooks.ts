import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import type { LinkInEvent } from '../../../db/outbox/link-events.ts';
import { toOutboxInsert, type EventName } from '../../../db/outbox/outbox.ts';
import { until } from '../../until.ts';
import type { Answer } from '../client.ts';
import { ApiClient } from '../api/api-client.ts';
import { People, type Person } from '../api/people.ts';
import { createWorld, type MapperOverrides, type TestMapper, type World } from '../world.ts';
import { Receiver } from './receiver.ts';

/** A user with a session, who has webhooks. */
export interface Owner extends Person {
  readonly cookie: string;
}

/** A link as events have it. */
const STORED: LinkInEvent = {
  key: 'abc',
  long_url: 'https://example.com/',
  created_at: '2026-11-28T12:00:00.000Z',
  updated_at: null,
  expires_at: null,
  deleted_at: null,
  title: 'häß\'"\\',
  rules: null,
  visits_left: null,
  version: 1,
  tags: null,
  humans: 0,
  bots: 0,
};

export interface MadeWebhook {
  readonly id: string;
  readonly secret: string;
}

/** Everything exists from the first `before` of the tests on. */
export interface WebhooksFixture {
  readonly world: World;
  readonly mapper: TestMapper;
  readonly people: People;
  readonly receiver: Receiver;
  readonly api: ApiClient;
  readonly owner: () => Promise<Owner>;
  /** Makes a webhook that leads to a path of the receiver. */
  readonly hook: (owner: Owner, path: string, events?: readonly EventName[]) => Promise<MadeWebhook>;
  /** Calls an endpoint of a webhook: `''`, `'/test'`. */
  readonly call: (method: string, owner: Owner, id: string, rest?: string, body?: object) => Promise<Answer>;
  /** Writes events, as the change of a link does. @returns their ids as receivers see them */
  readonly emit: (owner: Person, count?: number, event?: EventName) => Promise<string[]>;
  /** How many rows of a user wait in the outboxes. */
  readonly waiting: (owner: Person) => Promise<number>;
  /** The last deliveries of a webhook, newest first. */
  readonly deliveries: (owner: Owner, id: string) => Promise<Record<string, unknown>[]>;
}

/**
 * Stores, a mapper and a receiver, for the tests of one `describe`. Retries last a minute instead of a day.
 */
export function useWebhooks(overrides: MapperOverrides = {}): WebhooksFixture {
  let world: World;
  let mapper: TestMapper;
  let people: People;
  let receiver: Receiver;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 100, hasUsers: true });
    receiver = await Receiver.open();
    mapper = await world.start({
      allowPrivateTargets: true,
      webhooks: { retryMs: 60_000 },
      ...overrides,
    });
    people = new People(world.usersUrl);
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  const api = new ApiClient(() => mapper.url);
  const call: WebhooksFixture['call'] = async (method, { cookie }, id, rest = '', body) =>
    api.call(method, `/users/me/webhooks/${id}${rest}`, { cookie, ...(body && { body }) });
  return {
    get world() {
      return world;
    },
    get mapper() {
      return mapper;
    },
    get people() {
      return people;
    },
    get receiver() {
      return receiver;
    },
    api,
    owner: async () => {
      const person = await people.person();
      return { ...person, cookie: await people.session(person) };
    },
    hook: async ({ cookie }, path, events) => {
      const body = { url: new URL(path, receiver.url).href, ...(events && { events }) };
      const made = await api.call('POST', '/users/me/webhooks', { cookie, body });
      expect(made.status, made.text).to.equal(201);
      return { id: String(made.json()['webhook_id']), secret: String(made.json()['secret']) };
    },
    call,
    emit: async ({ id: userId }, count = 1, event = 'link.updated') => {
      const ids = Array.from({ length: count }, () => randomBytes(16).toString('hex'));
      const [urls] = world.urls;
      const rows = ids.map((id, index) => {
        const body = JSON.stringify({ ...STORED, version: index + 1 });
        return { id, slot: 3, userId, event, body };
      });
      await urls?.sql.query(toOutboxInsert(rows));
      return ids.map((id) => `msg_${id}`);
    },
    waiting: async ({ id }) => {
      const counts = await Promise.all(
        world.urls.map(async ({ sql }) =>
          sql.query('SELECT COUNT(*) AS rows_waiting FROM outbox WHERE user_id = ?', [id]),
        ),
      );
      return counts.reduce(
        (sum, [rows]) => sum + Number((rows as { rows_waiting: number }[])[0]?.rows_waiting),
        0,
      );
    },
    deliveries: async (owner, id) => {
      const answer = await call('GET', owner, id, '/deliveries?limit=200');
      expect(answer.status, answer.text).to.equal(200);
      return answer.json()['items'] as Record<string, unknown>[];
    },
  };
}

/** Waits until a receiver has got so many requests at a path. */
export async function untilReceived(receiver: Receiver, path: string, count: number): Promise<void> {
  await until(`${count} requests at ${path}`, () => receiver.dataAt(path).length >= count, {
    timeoutMs: 10_000,
  });
}
