import { expect } from 'chai';
import type { Step } from './converse.ts';
import { FRAMING } from './framing-cases.ts';
import { LAST, Twins } from './front-twins.ts';

const USUAL = Buffer.from('GET /known-link HTTP/1.1\r\nHost: x\r\n\r\n');

/** Where a case is in the bytes of a connection. Each is followed by a request in a chunk of its own. */
const PLACES: Readonly<Record<string, (bytes: Buffer) => Step[]>> = {
  alone: (bytes) => [{ bytes, after: 0 }],
  'behind a usual request in its chunk': (bytes) => [{ bytes: Buffer.concat([USUAL, bytes]), after: 0 }],
  'behind a usual request in an earlier chunk': (bytes) => [
    { bytes: USUAL, after: 0 },
    { bytes, after: 'answer' },
  ],
};

interface Asked {
  readonly bytes: string;
  readonly stepsOf: (bytes: Buffer) => Step[];
}

interface Answers {
  readonly front: string | undefined;
  readonly koa: string | undefined;
  readonly differs: boolean;
}

describe('a request with framing that programs understand differently', () => {
  let twins: Twins;
  let asked = 0;

  before(async function () {
    this.timeout(90_000);
    twins = await Twins.start(1_000);
  });

  after(async function () {
    this.timeout(60_000);
    await twins[Symbol.asyncDispose]();
  });

  it('is one of more than 110', () => {
    expect(FRAMING.flatMap(({ cases }) => cases)).to.have.length.greaterThan(110);
  });

  async function ask({ bytes, stepsOf }: Pick<Asked, 'bytes' | 'stepsOf'>): Promise<Answers> {
    // An absence that is remembered is answered sooner than one that must be looked up. So no two requests
    // ask for the same link that is not there.
    const own = bytes.replaceAll('nothing-there', `nothing-${(asked += 1)}`);
    const last = { bytes: LAST, after: 'answer' } as const;
    const [front, koa] = await twins.ask([...stepsOf(Buffer.from(own, 'latin1')), last], { quietMs: 500 });
    return { front, koa, differs: front !== koa };
  }

  /** One by one, and several times. @returns the last answers */
  async function askUntilEqual(one: Pick<Asked, 'bytes' | 'stepsOf'>): Promise<Answers> {
    let answers = await ask(one);
    for (let more = 4; answers.differs && more > 0; more -= 1) answers = await ask(one);
    return answers;
  }

  for (const { about, cases } of FRAMING) {
    it(`is answered as by node:http and Koa: ${about}`, async function () {
      this.timeout(60_000);
      const all = cases.flatMap(({ what, bytes }) =>
        Object.entries(PLACES).map(([place, stepsOf]) => ({ what: `${what}, ${place}`, bytes, stepsOf })),
      );
      const differing = await Promise.all(all.map(async (one) => ((await ask(one)).differs ? [one] : [])));
      // On a busy machine, an answer may leave before the fault behind it is read. What really differs does
      // so again and again.
      for (const one of differing.flat()) {
        const { front, koa } = await askUntilEqual(one);
        expect(front, `${one.what}: ${JSON.stringify(one.bytes)}`).to.equal(koa);
      }
    });
  }
});
