import { expect } from 'chai';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { send, shorten } from './client.ts';
import { comparable } from './comparable-answer.ts';
import { converse, type ConverseOptions, type Step } from './converse.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

/** Links of every kind; all other keys have none. */
export const LINKS = [
  'known-link',
  'taken-alias',
  'deleted-link',
  'expired-link',
  'a-_',
  'broken-link',
  'blank-link',
  'ruled-link',
  'early-link',
];

/** Rules whose answer depends on the headers and the query of a request. */
const RULES = {
  redirectType: 308,
  forwardQuery: true,
  noindex: true,
  targets: [
    { when: { language: ['de'] }, longUrl: 'https://example.com/de#top' },
    { when: { device: ['linux'] }, longUrl: 'https://example.com/linux?q=2' },
  ],
};

const LAST_TARGET = 'https://example.com/last-link?q=1';

/** A last request, which ends a kept connection. */
export const LAST = Buffer.from('GET /last-link HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');

/** Whether the server has answered {@link LAST}: the requests before it have kept the connection. */
export function hasLast(answers: string): boolean {
  return answers.includes(`Location: ${LAST_TARGET}\r\n`);
}

/** Makes {@link LINKS} and the link of {@link LAST}. */
export async function makeLinks({ urls }: World, { url }: TestMapper): Promise<void> {
  for (const custom_alias of [...LINKS, 'last-link']) {
    const made = await shorten(url, { long_url: `https://example.com/${custom_alias}?q=1`, custom_alias });
    expect(made.status, made.text).to.equal(201);
  }
  for (const { sql } of urls) {
    await sql.query(
      "UPDATE urls SET original_url = NULL, deleted_at = NOW(3) WHERE unique_id = 'deleted-link'",
    );
    await sql.query("UPDATE urls SET original_url = 'https://x/\\r\\na' WHERE unique_id = 'broken-link'");
    await sql.query("UPDATE urls SET original_url = ' ' WHERE unique_id = 'blank-link'");
    await sql.query("UPDATE urls SET expires_at = '2020-01-01' WHERE unique_id = 'expired-link'");
    for (const [key, rules] of [
      ['ruled-link', RULES],
      ['early-link', { validFrom: '2999-01-01T00:00:00.000Z' }],
    ] as const)
      await sql.query(
        'UPDATE urls SET ruled_url = original_url, original_url = NULL, rules = ? WHERE unique_id = ?',
        [JSON.stringify(rules), key],
      );
  }
}

interface Twin {
  readonly world: World;
  readonly mapper: TestMapper;
  readonly port: number;
}

/**
 * Two mappers with the same links, each on stores of its own: one with the front and the fast paths, and one
 * with `node:http` and Koa only. What clients get and what is stored must be the same for both.
 */
export class Twins implements AsyncDisposable {
  readonly #front: Twin;
  readonly #koa: Twin;

  private constructor(front: Twin, koa: Twin) {
    this.#front = front;
    this.#koa = koa;
  }

  static async start(keys: number): Promise<Twins> {
    const start = async (hasFastPaths: boolean): Promise<Twin> => {
      const world = await createWorld({ shards: 1, databases: 1, keys });
      const mapper = await world.start({ publicUrl: 'https://go.example', hasFastPaths });
      await makeLinks(world, mapper);
      return { world, mapper, port: Number(new URL(mapper.url).port) };
    };
    return new Twins(await start(true), await start(false));
  }

  /** Has the same conversation with both. @returns what the front and what Koa have answered, comparable */
  async ask(steps: readonly Step[], options: ConverseOptions = {}): Promise<[front: string, koa: string]> {
    const answers = await Promise.all(
      [this.#front, this.#koa].map(async ({ port }) => comparable(await converse(port, steps, options))),
    );
    return answers as [string, string];
  }

  /** Adds keys to the pools. */
  async fill(keys: number): Promise<void> {
    await Promise.all([this.#front, this.#koa].map(async ({ world }) => world.fill(0, keys)));
  }

  /** What all requests so far have done at the front and at Koa. */
  async effects(): Promise<[front: Effects, koa: Effects]> {
    return [await effectsOf(this.#front), await effectsOf(this.#koa)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#front.world[Symbol.asyncDispose]();
    await this.#koa.world[Symbol.asyncDispose]();
  }
}

/**
 * Counts of links, of clicks by key and by what their headers say, of requests by result, and a sum over what
 * the links are.
 */
export type Effects = Readonly<Record<string, number>>;

async function effectsOf({ world, mapper }: Twin): Promise<Effects> {
  const effects: Record<string, number> = {};
  const add = (name: string, count: unknown): void => {
    effects[name] = (effects[name] ?? 0) + Number(count);
  };
  const page = await send('GET', `${mapper.adminUrl}/metrics`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  // Before the tables: what no longer waits is in them.
  add('clicks that wait', /^keymill_clicks_waiting_keys (\d+)$/m.exec(page.text)?.[1]);
  const counts = /^keymill_(redirects|shortens)_total\{.*result="(\w+)".*\} (\d+)$/gm;
  for (const [, metric, result, count] of page.text.matchAll(counts)) add(`${metric} ${result}`, count);
  for (const { sql } of world.urls) {
    // A key is random, an alias is not.
    const [links] = await sql.query(
      `SELECT 'links' AS name, COUNT(*) AS count FROM urls UNION SELECT 'sum of links',
        SUM(CRC32(CONCAT_WS('|', IF(alias, unique_id, ''), original_url, expires_at))) FROM urls`,
    );
    const [clicks] = await sql.query(
      `SELECT CONCAT('clicks ', unique_id) AS name, humans + bots AS count FROM click_totals
        UNION ALL SELECT CONCAT_WS(' ', 'humans', unique_id, dimension, value), humans FROM click_values
        UNION ALL SELECT CONCAT_WS(' ', 'bots', unique_id, dimension, value), bots FROM click_values`,
    );
    for (const { name, count } of [links, clicks].flat() as { name: string; count: string }[])
      add(name, count);
  }
  return effects;
}

/** What has been done between two moments. */
export function effectsBetween(earlier: Effects, later: Effects): Effects {
  const names = Object.keys(later).toSorted();
  return Object.fromEntries(names.map((name) => [name, (later[name] ?? 0) - (earlier[name] ?? 0)]));
}
