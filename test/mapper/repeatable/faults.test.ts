import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { isLinkInsert } from '../../../drills/proxy/proxy.ts';
import type { Answer, Connection } from '../../../bench/load/connection.ts';
import type { FaultyProxy } from '../../../drills/proxy/proxy.ts';
import { startWire, through } from '../../db/wire.ts';
import { IS_LONG } from '../../long.ts';
import { ranMs } from '../../ran-ms.ts';
import { until } from '../../until.ts';
import { People } from '../api/people.ts';
import { createWorld, type World } from '../world.ts';
import { connectAll, formatShorten, keysOf, type Sending } from './senders.ts';

const AT_ONCE = 100;
const MAPPERS = 2;
const ROUNDS = IS_LONG ? 30 : 2;
/** Of a request, whatever does not answer: its turn and its reservation, and before it an owner's look. */
const BOUND_MS = 6_000;

/** What is sent, and which answers it may get in the end. */
interface Case {
  readonly name: string;
  readonly sendingTo: (longUrl: string, idempotencyKey: string) => Sending;
  readonly statuses: readonly number[];
}

describe('requests that may be repeated, over a network that loses answers', function () {
  this.timeout(60_000 + ROUNDS * 20_000);
  const stack = new AsyncDisposableStack();
  let world: World;
  /** One for each mapper and urls server. */
  const wires: FaultyProxy[] = [];
  let connections: Connection[] = [];
  let ownerKey: string;

  before(async () => {
    world = stack.use(await createWorld({ keys: 2_000, hasUsers: true }));
    const mappers: string[] = [];
    for (let at = 0; at < MAPPERS; at += 1) {
      const urlsDbs = [];
      for (const server of world.urls) {
        const wire = stack.use(await startWire(server.url));
        wires.push(wire);
        urlsDbs.push({ ...server, url: through(wire, server.url) });
      }
      mappers.push((await world.start({ publicUrl: 'https://go.example', stores: { urlsDbs } })).url);
    }
    const people = stack.use(new People(world.usersUrl));
    ownerKey = (await people.key(await people.person(), ['links:create'])).key;
    connections = await connectAll(mappers, AT_ONCE / MAPPERS);
    stack.defer(() => {
      for (const connection of connections) connection.close();
    });
  });

  after(async () => {
    for (const wire of wires) wire.heal();
    await stack.disposeAsync();
  });

  const CASES: readonly Case[] = [
    {
      name: 'find_if_exists of nobody',
      sendingTo: (long_url) => ({ body: { long_url, find_if_exists: true } }),
      statuses: [200, 201],
    },
    {
      name: 'find_if_exists of an owner',
      sendingTo: (long_url) => ({ body: { long_url, find_if_exists: true }, key: ownerKey }),
      statuses: [200, 201],
    },
    {
      name: 'an Idempotency-Key of nobody',
      sendingTo: (long_url, idempotencyKey) => ({ body: { long_url }, idempotencyKey }),
      statuses: [201],
    },
    {
      name: 'an Idempotency-Key of an owner',
      sendingTo: (long_url, idempotencyKey) => ({ body: { long_url }, idempotencyKey, key: ownerKey }),
      statuses: [201],
    },
    {
      name: 'both, of an owner',
      sendingTo: (long_url, idempotencyKey) => ({
        body: { long_url, find_if_exists: true },
        idempotencyKey,
        key: ownerKey,
      }),
      statuses: [200, 201],
    },
  ];

  /** Cuts off the answer to the next such statement of each mapper at each server. */
  function loseAnswers(...statements: string[]): () => number {
    let cut = 0;
    for (const wire of wires)
      wire.cutBeforeReplyTo((sent) => {
        if (!statements.some((statement) => sends(sent, statement))) return false;
        cut += 1;
        return true;
      });
    return () => cut;
  }

  async function sendAll(sending: Sending): Promise<{ answers: Answer[]; tookMs: number }> {
    const startedMs = ranMs();
    const answers = await Promise.all(
      connections.map(async (connection) => connection.ask(formatShorten(sending))),
    );
    return { answers, tookMs: ranMs() - startedMs };
  }

  /** The answer, when the servers are well again. */
  async function settledAnswer(sending: Sending, statuses: readonly number[]): Promise<Answer> {
    return until('an answer', async () => {
      const answer = await (connections[0] as Connection).ask(formatShorten(sending));
      return statuses.includes(answer.status) && answer;
    });
  }

  function expectOneAnswer(answers: readonly Answer[], statuses: readonly number[]): void {
    for (const { status, raw } of answers) expect(status, raw).to.be.oneOf([...statuses, 503]);
    const settled = answers.filter(({ status }) => status !== 503);
    expect(new Set(settled.map(({ body }) => body)).size).to.equal(1);
  }

  for (const { name, sendingTo, statuses } of CASES) {
    for (const [what, ...statements] of [
      ['of reservations', 'INSERT INTO reservations'],
      ['of links', 'INSERT INTO urls'],
      ['of both, and of reads', 'INSERT INTO', 'FROM reservations', 'FROM urls'],
    ] as const)
      it(`make one link when answers to statements ${what} are cut off: ${name}`, async () => {
        let cut = 0;
        for (let round = 0; round < ROUNDS; round += 1) {
          const long_url = `https://example.com/${randomUUID()}`;
          const sending = sendingTo(long_url, randomUUID());
          const countCut = loseAnswers(...statements);
          const { answers, tookMs } = await sendAll(sending);
          for (const wire of wires) wire.heal();
          cut += countCut();
          answers.push(await settledAnswer(sending, statuses));
          expectOneAnswer(answers, statuses);
          expect(tookMs).to.be.below(BOUND_MS);
          expect(await keysOf(world, long_url)).to.have.length(1);
        }
        expect(cut, 'answers that were cut off').to.be.at.least(ROUNDS);
      });

    it(`are 503 in bounded time while a urls server hangs, and then get the one link: ${name}`, async () => {
      const sendings = Array.from({ length: 8 }, () =>
        sendingTo(`https://example.com/${randomUUID()}`, randomUUID()),
      );
      for (const [at, wire] of wires.entries()) if (at % 2 === 1) wire.silence();
      const startedMs = ranMs();
      const hung = await Promise.all(
        connections
          .slice(0, 24)
          .map(async (connection, index) => connection.ask(formatShorten(sendings[index % 8] as Sending))),
      );
      expect(ranMs() - startedMs).to.be.below(BOUND_MS);
      for (const wire of wires) wire.heal();
      expect(hung.some(({ status }) => status === 503)).to.equal(true);
      for (const [index, sending] of sendings.entries()) {
        const settled = await settledAnswer(sending, statuses);
        expectOneAnswer([...hung.filter((_, at) => at % 8 === index), settled], statuses);
        expect(await keysOf(world, (sending.body as { long_url: string }).long_url)).to.have.length(1);
      }
    });
  }
});

/** Whether a mapper has this statement done. That of links may be a prepared one. */
function sends(sent: Buffer, statement: string): boolean {
  const isPrepare = sent[4] === 0x16;
  if ('INSERT INTO urls'.startsWith(statement) && isLinkInsert(sent)) return true;
  return !isPrepare && sent.includes(statement);
}
