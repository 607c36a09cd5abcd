import { expect } from 'chai';
import { sendRaw, shorten } from './client.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

export const BODY = '{"long_url":"https://example.com/made"}';
export const GET = 'GET /followed HTTP/1.1\r\nHost: x\r\n\r\n';

export function post(headers = '', type = 'application/json'): string {
  return `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\n${headers}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;
}

/** Koa answers it, because its type has a parameter. */
export const KOA_POST = post('', 'application/json; charset=utf-8');

/** Koa answers it, because its path is encoded. */
export const KOA_GET = GET.replace('followed', '%66ollowed');

/** The status lines of all answers, in order. */
export function statusesOf(answers: string): number[] {
  return [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

/** A mapper with the fast paths and one with Koa alone, on the same stores. */
export interface BothPaths {
  /** How many mappers there are. */
  readonly mapperCount: number;
  /** Sends to both mappers, and hands each answer over. */
  readonly onBoth: (
    bytes: string,
    expectation: (answers: string) => void,
    sendBytes?: (url: string, bytes: string) => Promise<string>,
  ) => Promise<void>;
  /** The links that are stored. */
  readonly rowCount: () => Promise<number>;
}

/** Both mappers, and the link `followed`, for the tests of one `describe`. */
export function useBothPaths(): BothPaths {
  let world: World;
  const mappers: { name: string; mapper: TestMapper }[] = [];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ shards: 1, databases: 1, keys: 2_000 });
    mappers.push({ name: 'fast paths', mapper: await world.start() });
    mappers.push({ name: 'Koa', mapper: await world.start({ hasFastPaths: false }) });
    for (const { mapper } of mappers) {
      const made = { long_url: 'https://example.com/', custom_alias: 'followed' };
      expect((await shorten(mapper.url, made)).status).to.be.oneOf([201, 409]);
      expect(await sendRaw(mapper.url, GET, '\r\n\r\n')).to.match(/^HTTP\/1\.1 302 /);
    }
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  return {
    mapperCount: 2,
    onBoth: async (bytes, expectation, sendBytes = sendRaw) => {
      for (const { name, mapper } of mappers) {
        const answers = await sendBytes(mapper.url, bytes);
        try {
          expectation(answers);
        } catch (error) {
          throw new Error(`${name}, ${JSON.stringify(bytes)}: ${JSON.stringify(answers)}`, { cause: error });
        }
      }
    },
    rowCount: async () => {
      const counts = await Promise.all(
        world.urls.map(async ({ sql }) => {
          const [rows] = await sql.query('SELECT COUNT(*) AS links FROM urls');
          return (rows as { links: number }[])[0]?.links ?? 0;
        }),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },
  };
}
