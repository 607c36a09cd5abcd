import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import { IS_LONG } from '../long.ts';
import { until } from '../until.ts';
import { RESET, type Step } from './converse.ts';
import { effectsBetween, hasLast, LAST, LINKS, Twins, type Effects } from './front-twins.ts';
import { RequestGenerator, type Generated } from './generated-requests/generator.ts';

/** Generated requests. Each is sent once alone and once in a stream of others. */
const REQUESTS = Number(process.env['KEYMILL_TEST_RUNS'] ?? (IS_LONG ? 2_000_000 : 2_000));
/** Requests whose effects are compared. */
const PART = IS_LONG ? 20_000 : 1_000;
const BATCH = IS_LONG ? 20 : 10;
/** Requests of the usual form cost less, and there are enough of the others in a long run. */
const USUAL_SHARE = IS_LONG ? 0.7 : 0.4;
/** Batches that are sent at the same time. */
const PARALLEL = 24;
/** A client waits so long for an answer to a request that differed, before it ends the request. */
const PATIENT_MS = 3_000;

const KEYS = [...LINKS, 'known-link', 'known-link', 'unknown-link'];

const GET = 'GET /known-link HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n';
/** After these, both have in memory what each key leads to, and that some lead nowhere. */
const LOOKED_UP = [...new Set(KEYS)].map((key) =>
  awaited(Buffer.from(`GET /${key} HTTP/1.1\r\nHost: x\r\n\r\n`)),
);
const BODY = '{"long_url":"https://example.com/split"}';
const POST = `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

describe('the front and node:http with Koa', () => {
  const seed = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  let twins: Twins;
  /** Conversations that differed once, and not when they were repeated: a busy machine delays answers. */
  const flukes: string[] = [];

  before(async function () {
    this.timeout(90_000);
    twins = await Twins.start(2_000);
  });

  after(async function () {
    this.timeout(60_000);
    await twins[Symbol.asyncDispose]();
  });

  /** @returns what both have answered */
  async function expectSame(steps: readonly Step[], what: string): Promise<string> {
    let [front, koa] = await twins.ask(steps);
    if (front === koa) return koa;
    const story = `${what}\n${steps.map(describeStep).join('\n').slice(0, 20_000)}\n`;
    flukes.push(`${story}${JSON.stringify([front, koa])}`);
    for (let tries = 0; tries < 5; tries += 1) {
      // While one of them reads a key that the other remembers, node:http sees what is malformed behind it.
      await twins.ask(LOOKED_UP);
      [front, koa] = await twins.ask(steps, { quietMs: PATIENT_MS });
      if (!`${front}${koa}`.includes(RESET)) break;
    }
    // The client has sent more behind bytes that are not HTTP. What it then receives is chance.
    if (`${front}${koa}`.includes(RESET)) return koa;
    expect(front, story).to.equal(koa);
    return koa;
  }

  /** A client that sends FIN gets all answers too. Which of them says that it is the last depends on time. */
  async function expectSameThoughEnding(steps: readonly Step[], what: string): Promise<void> {
    const answers = await twins.ask(steps, { quietMs: PATIENT_MS, endsEarly: true });
    if (answers.join('').includes(RESET)) return;
    const [front, koa] = answers.map((text) => text.replaceAll(/^(?:Connection|Keep-Alive): .*\r\n/gm, ''));
    expect(front, `${what}\n${steps.map(describeStep).join('\n').slice(0, 20_000)}\n`).to.equal(koa);
  }

  async function sendBatch(generator: RequestGenerator, count: number): Promise<void> {
    const what = `KEYMILL_TEST_SEED=${generator.seed}`;
    const requests = Array.from({ length: count }, () => generator.next());
    const usual = requests.filter(({ mutations }) => mutations.length === 0);
    const odd = requests.filter(({ mutations }) => mutations.length > 0);
    // Each is alone in its chunk. The front keeps the connection.
    await expectSame([...usual.map(({ bytes }) => awaited(bytes)), awaited(LAST)], what);
    const kept = [...usual];
    const ending: Generated[] = [];
    for (const request of odd) {
      const story = `${what}: ${request.mutations.join(', ')}`;
      const answers = await expectSame([awaited(request.bytes), awaited(LAST)], story);
      (hasLast(answers) ? kept : ending).push(request);
    }
    const stream = shuffled(kept, generator);
    await expectSame(split([...stream.map(({ bytes }) => bytes), LAST], generator), `${what}: a stream`);
    await expectSameThoughEnding(
      split(
        stream.map(({ bytes }) => bytes),
        generator,
      ),
      `${what}: half-closed`,
    );
    for (const last of ending) {
      const before = shuffled(usual, generator).slice(0, 1 + generator.upTo(4));
      const bytes = [...before, last].map(({ bytes }) => bytes);
      await expectSame(
        split(bytes, generator),
        `${what}: at the end of a stream: ${last.mutations.join(', ')}`,
      );
    }
  }

  /** Sends a part of all requests, and compares what they have done. */
  async function sendPart(firstBatch: number): Promise<void> {
    const before = await twins.effects();
    await twins.fill(PART);
    let batch = firstBatch;
    const send = async (): Promise<void> => {
      while (batch < firstBatch + PART / BATCH)
        await sendBatch(
          new RequestGenerator({ seed: seed + batch++, keys: KEYS, usualShare: USUAL_SHARE }),
          BATCH,
        );
    };
    await Promise.all(Array.from({ length: PARALLEL }, send));
    const done = async (): Promise<[Effects, Effects]> => {
      const [front, koa] = await twins.effects();
      return [effectsBetween(before[0], front), effectsBetween(before[1], koa)];
    };
    // Clicks are stored a moment later. While some wait, both may be the same by chance.
    let [front, koa] = await done();
    await until('the same effects', async () => {
      [front, koa] = await done();
      return front['clicks that wait'] === 0 && isDeepStrictEqual(front, koa);
    }).catch(() => undefined);
    const story = `KEYMILL_TEST_SEED=${seed + firstBatch}, ${PART} requests, that differed once: ${flukes.join('\n').slice(0, 20_000)}`;
    expect(front, story).to.deep.equal(koa);
    expect(front).to.include.keys(['redirects found', 'shortens created', 'clicks known-link']);
  }

  it(`do the same with generated requests, alone and in a stream (KEYMILL_TEST_SEED=${seed})`, async function () {
    this.timeout(IS_LONG ? 0 : 300_000);
    const began = performance.now();
    for (let sent = 0; sent < REQUESTS;) {
      await sendPart(sent / BATCH);
      sent += PART;
      if (IS_LONG) report(sent, began);
    }
    expect(flukes.length, flukes.join('\n').slice(0, 20_000)).to.be.at.most(REQUESTS / 100);
  });

  function report(sent: number, began: number): void {
    const seconds = ((performance.now() - began) / 1_000).toFixed(0);
    const rss = (process.memoryUsage.rss() / 2 ** 20).toFixed(0);
    process.stdout.write(
      `    ${sent} requests in ${seconds} s, ${flukes.length} differed once, this process has ${rss} MiB\n`,
    );
  }

  for (const [what, request] of [
    ['a GET', GET],
    ['a POST', POST],
  ] as const) {
    it(`answer ${what} the same, wherever its bytes are split`, async function () {
      this.timeout(60_000);
      const bytes = Buffer.from(request + request);
      const cuts = Array.from({ length: bytes.length - 1 }, (_, index) => index + 1);
      const cutOne = async (): Promise<void> => {
        for (let at = cuts.pop(); at !== undefined; at = cuts.pop()) {
          const [first, second] = [bytes.subarray(0, at), bytes.subarray(at)];
          const steps = [{ bytes: first, after: 0 }, { bytes: second, after: 4 }, awaited(LAST)];
          await expectSame(steps, `${what}, cut at ${at}`);
        }
      };
      await Promise.all(Array.from({ length: PARALLEL }, cutOne));
    });
  }

  it('answer all requests that Koa answers, also those in chunks that come close to each other', async function () {
    this.timeout(60_000);
    const odd = 'GET /known-link HTTP/1.1\r\n\r\n';
    const chunks = [
      POST,
      POST + GET,
      odd + odd + odd,
      GET + POST + POST + GET,
      GET + POST + GET,
      GET + GET,
      LAST,
    ];
    for (let round = 0; round < 40; round += 1) {
      const steps = chunks.map((chunk, index) => ({
        bytes: Buffer.from(chunk),
        after: ([0, 4, 8, 1, 1, 4, 2][index] as number) + ((round >> index) & 1),
      }));
      const answers = await expectSame(steps, `round ${round}`);
      expect(answers.match(/HTTP\/1\.1 /g), `round ${round}`).to.have.length(16);
    }
  });
});

function describeStep({ bytes, after }: Step): string {
  return `after ${after}: ${JSON.stringify(bytes.toString('latin1'))}`;
}

/** Sent when all before it has been answered. */
function awaited(bytes: Buffer): Step {
  return { bytes, after: 'answer' };
}

function shuffled<T>(items: readonly T[], generator: RequestGenerator): T[] {
  const left = [...items];
  return items.flatMap(() => left.splice(generator.upTo(left.length), 1));
}

/** Cuts a stream of requests into chunks: between requests, anywhere, or not at all. */
function split(requests: readonly Buffer[], generator: RequestGenerator): Step[] {
  const after = (): Step['after'] => generator.pickOf([1, 2, 4, 4, 8, 'answer'] as const);
  const whole = Buffer.concat(requests);
  switch (generator.upTo(4)) {
    case 0:
      return [{ bytes: whole, after: 0 }];
    case 1:
      return requests.map((bytes, index) => ({ bytes, after: index === 0 ? 0 : after() }));
    case 2: {
      const steps: Step[] = [];
      for (let start = 0; start < requests.length;) {
        const end = start + 1 + generator.upTo(4);
        steps.push({ bytes: Buffer.concat(requests.slice(start, end)), after: start === 0 ? 0 : after() });
        start = end;
      }
      return steps;
    }
    default: {
      const cuts = Array.from({ length: 1 + generator.upTo(6) }, () => generator.upTo(whole.length)).toSorted(
        (a, b) => a - b,
      );
      const edges = [0, ...cuts, whole.length];
      // Not `answer`: what was sent may be a part of a request, which has none.
      return edges.slice(1).flatMap((end, index) => {
        const bytes = whole.subarray(edges[index], end);
        return bytes.length === 0 ? [] : [{ bytes, after: index === 0 ? 0 : 1 + generator.upTo(6) }];
      });
    }
  }
}
