import { expect } from 'chai';
import { CredentialReads } from '../../mapper/auth/credential-reads.ts';
import { FailureLimit } from '../../mapper/limits/failure-limit.ts';
import { createGuessLimit, GuessLimit } from '../../mapper/limits/guess-limit.ts';
import { Turns } from '../../mapper/links/turns.ts';
import { TaskQueues } from '../../mapper/pictures/task-queues.ts';
import { block } from '../block.ts';

const STALL_MS = 200;
const WAIT_MS = 100;

/** The event loop stands still until the waits of a test are over. Then it reads what has arrived. */
async function stall(ms = STALL_MS): Promise<void> {
  block(ms);
  await new Promise(setImmediate);
}

describe('waits that a stall of the event loop has made too long', () => {
  it('for the passwords before are waited on: a guess has its turn', async () => {
    const failures = new FailureLimit({
      limit: createGuessLimit(),
      shared: undefined,
      onRefused: () => undefined,
      now: () => 0,
    });
    const limit = new GuessLimit({ failures, waitMs: WAIT_MS });
    const compared = [await limit.begin('a', 'client'), await limit.begin('b', 'client')];
    const waiting = limit.begin('c', 'client');
    await stall();
    for (const guess of compared) guess[Symbol.dispose]();
    using guess = await waiting;
    expect(guess).to.have.property('wrong');
  });

  it('for work on the same link are waited on', async () => {
    const turns = new Turns({ maxWaiting: 3, maxOfKey: 3, waitMs: WAIT_MS });
    const { promise: gate, resolve: open } = Promise.withResolvers<string>();
    const [held, next] = [turns.take('a', async () => gate), turns.take('a', async () => 'done')];
    await stall();
    open('opened');
    expect(await Promise.all([held, next])).to.deep.equal(['opened', 'done']);
  });

  it('for lookups of credentials are waited on', async () => {
    const refuse = (): never => expect.fail('refused');
    const reads = new CredentialReads({ leftOf: () => 1, refusalOf: refuse, failed: refuse });
    const { promise: gate, resolve: open } = Promise.withResolvers<string>();
    const [held, next] = [reads.run('client', async () => gate), reads.run('client', async () => 'found')];
    await stall(1_100);
    open('found');
    expect(await Promise.all([held, next])).to.deep.equal(['found', 'found']);
  });

  it('for the decoder of pictures are waited on', async () => {
    const queues = new TaskQueues<{ readonly kind: 'check' }, string>(WAIT_MS);
    const waiting = queues.wait({ kind: 'check' }, undefined);
    await stall();
    queues.shift()?.resolve('whole');
    expect(await waiting).to.equal('whole');
  });
});
