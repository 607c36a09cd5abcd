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

describe('a request with framing that programs understand differently', () => {
  let twins: Twins;

  before(async function () {
    this.timeout(90_000);
    twins = await Twins.start(1_000);
  });

  after(async function () {
    this.timeout(20_000);
    await twins[Symbol.asyncDispose]();
  });

  it('is one of more than 110', () => {
    expect(FRAMING.flatMap(({ cases }) => cases)).to.have.length.greaterThan(110);
  });

  for (const { about, cases } of FRAMING) {
    it(`is answered as by node:http and Koa: ${about}`, async function () {
      this.timeout(60_000);
      await Promise.all(
        cases.flatMap(({ what, bytes }) =>
          Object.entries(PLACES).map(async ([place, stepsOf]) => {
            const steps = [
              ...stepsOf(Buffer.from(bytes, 'latin1')),
              { bytes: LAST, after: 'answer' } as const,
            ];
            const [front, koa] = await twins.ask(steps, { quietMs: 500 });
            expect(front, `${what}, ${place}: ${JSON.stringify(bytes)}`).to.equal(koa);
          }),
        ),
      );
    });
  }
});
