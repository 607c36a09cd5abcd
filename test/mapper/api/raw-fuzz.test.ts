import { expect } from 'chai';
import { IS_LONG } from '../../long.ts';
import { converse, RESET, STILL_OPEN, type Step } from '../converse.ts';
import { useApi } from './use-api.ts';
import { expectHarmless, isPageAt } from './fuzz/answer-rules.ts';
import { FOREIGN_TEXT, setStage, type Stage } from './fuzz/callers.ts';
import { ApiRequestGenerator, type Conversation, type GeneratedRequest } from './fuzz/generator.ts';
import { parseAnswers } from './fuzz/raw-answers.ts';

const REQUESTS = Number(process.env['KEYMILL_TEST_RUNS'] ?? (IS_LONG ? 200_000 : 2_000));
const SEED = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Conversations at the same time. */
const PARALLEL = 16;
/** Of them, those that hash passwords: more would be told that the service is overloaded. */
const MAX_COSTLY = 4;
/** Segments of one conversation. */
const CHUNKS = 12;
/** Beyond the deadline of the server for a whole request, after which it would answer 408. */
const HANG_MS = 20_000;
/** A long run says after so many requests how far it is. */
const PART = 10_000;

describe('the API at the socket', () => {
  const fixture = useApi({ keys: 1_000 + REQUESTS / 10 });
  const { api } = fixture;
  let stage: Stage;
  /** Conversations that ended late once, and not when they were repeated: a busy machine delays them. */
  const late: string[] = [];

  before(async function () {
    this.timeout(60_000);
    stage = await setStage(fixture);
  });

  it(`answers any bytes, each request once, and tells nothing (KEYMILL_TEST_SEED=${SEED})`, async function () {
    this.timeout(IS_LONG ? 0 : 600_000);
    const generator = new ApiRequestGenerator(SEED, stage);
    const statuses = new Map<number, number>();
    let sent = 0;
    let costly = 0;
    const waiting: Conversation[] = [];
    const take = (): Conversation => {
      if (costly < MAX_COSTLY) return waiting.shift() ?? generator.next();
      for (;;) {
        const next = generator.next();
        if (!next.isCostly) return next;
        waiting.push(next);
      }
    };
    const work = async (): Promise<void> => {
      while (sent < REQUESTS && !stopping.signal.aborted) {
        const one = take();
        costly += Number(one.isCostly);
        if (IS_LONG && Math.floor(sent / PART) < Math.floor((sent + one.requests.length) / PART))
          process.stdout.write(`    ${sent} requests after ${Math.round(process.uptime())} s\n`);
        sent += one.requests.length;
        for (const status of await ask(one, generator)) statuses.set(status, (statuses.get(status) ?? 0) + 1);
        costly -= Number(one.isCostly);
      }
    };
    const stopping = new AbortController();
    const workers = Array.from({ length: PARALLEL }, async () =>
      work().catch((error: unknown) => stopping.abort(error)),
    );
    await Promise.all(workers);
    stopping.signal.throwIfAborted();
    if (IS_LONG)
      process.stdout.write(
        `    ${sent} requests: ${JSON.stringify(Object.fromEntries(statuses))}, ${late.length} late once\n`,
      );
    expect(late.length, late.join('\n\n')).to.be.at.most(REQUESTS / 1_000);
    // They reach the endpoints, and do not all fail at the door. Some statuses are rare.
    const usual = [200, 201, 204, 400, 401, 403, 404, 405, 422];
    expect([...statuses.keys()]).to.include.members(IS_LONG ? [...usual, 304, 412, 413, 415] : usual);
  });

  it('and then no link of another has changed, and all goes on', async () => {
    for (const key of stage.keys.foreign) {
      const answer = await api.call('GET', `/urls/${key}`, { cookie: stage.foreignSession });
      expect(answer.status, answer.text).to.equal(200);
      expect(answer.json()).to.include({ version: 1, title: FOREIGN_TEXT });
    }
    const headers = Object.fromEntries(stage.good[1]?.headers ?? []);
    const list = await api.call('GET', '/urls?state=all&limit=200', { headers });
    expect(list.status, list.text).to.equal(200);
  });

  /** @returns the statuses of the answers */
  async function ask({ requests }: Conversation, generator: ApiRequestGenerator): Promise<readonly number[]> {
    const steps = cut(Buffer.concat(requests.map(({ bytes }) => bytes)), generator);
    const { port } = new URL(fixture.mapper.url);
    let received = await converse(Number(port), steps, { endsEarly: true, closeMs: HANG_MS });
    if (isLate(received)) {
      late.push(requests.map(describeRequest).join('\n'));
      received = await converse(Number(port), steps, { endsEarly: true, closeMs: HANG_MS });
    }
    const story = (): string =>
      `KEYMILL_TEST_SEED=${generator.seed}\n${requests.map(describeRequest).join('\n')}\n→ ${JSON.stringify(received.slice(0, 4_000))}`;
    try {
      return judge(requests, received);
    } catch (error) {
      throw new Error(story(), { cause: error });
    }
  }

  function judge(requests: readonly GeneratedRequest[], received: string): readonly number[] {
    expect(received, 'a hang').not.to.include(STILL_OPEN);
    const isReset = received.endsWith(RESET);
    const text = isReset ? received.slice(0, -RESET.length) : received;
    const answers = parseAnswers(
      text,
      requests.map(({ method }) => method),
      isReset,
    );
    for (const [index, answer] of answers.entries()) {
      const request = requests[index] ?? requests.at(-1);
      if (request === undefined) continue;
      const { target, bytes, caller, isFramed, method } = request;
      const sent = bytes.toString('latin1');
      expectHarmless(answer, {
        target,
        text: sent,
        secrets: caller.isAdmin ? [] : [FOREIGN_TEXT],
      });
      if (isFramed && method !== 'HEAD' && !isPageAt(target, sent, answer))
        api.document.check(method, target, answer);
    }
    const framed = requests.filter(({ isFramed }) => isFramed).length;
    const isEnded = answers.some(({ headers }) => headers.connection === 'close');
    if (framed === requests.length)
      expect(answers.length, 'more answers than requests').to.be.at.most(framed);
    if (!isEnded && !isReset) expect(answers.length, 'an answer is missing').to.be.at.least(framed);
    return answers.map(({ status }) => status);
  }
});

/** No end, or 408 although all was sent. */
function isLate(received: string): boolean {
  return [STILL_OPEN, 'HTTP/1.1 408 ', '"Too many people sign in at this moment."'].some((part) =>
    received.includes(part),
  );
}

function describeRequest({ mutations, caller, bytes }: GeneratedRequest): string {
  return `${caller.name}; ${mutations.join(', ')}: ${JSON.stringify(bytes.toString('latin1').slice(0, 3_000))}`;
}

/** Whole, or in chunks that come one after another. */
function cut(bytes: Buffer, generator: ApiRequestGenerator): Step[] {
  const cuts = Array.from({ length: generator.pick([0, 0, 1, CHUNKS]) }, () => generator.upTo(bytes.length));
  const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((end, index) => ({
    bytes: bytes.subarray(edges[index], end),
    after: index === 0 ? 0 : generator.upTo(5),
  }));
}
