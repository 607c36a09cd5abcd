import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { OutcomeUnknownError, StoreUnavailableError } from '../../../db/store-errors.ts';
import { Problem } from '../../../mapper/http/problem.ts';
import { makeImage, type MakeImageOptions } from '../../../mapper/images/make-image.ts';
import type { SpoolFile } from '../../../mapper/images/spool.ts';
import type { Fate } from '../../../mapper/reservations/policy.ts';
import { RandomIds } from '../../../runtime/random-ids.ts';

/** A post up to the step that fails, and what becomes of its key. */
async function post(faults: Partial<MakeImageOptions>): Promise<{
  steps: string[];
  fate: Fate | undefined;
  error: unknown;
}> {
  const steps: string[] = [];
  let fate: Fate | undefined;
  const sha256 = createHash('sha256').update('bytes').digest('hex');
  const file = { bytes: 5, path: '/spool/1' } as unknown as SpoolFile;
  const facts = { type: 'png', width: 1, height: 1, bytes: 5, sha256 } as const;
  const options: MakeImageOptions = {
    drawKey: async () => {
      steps.push('draw');
      return { key: 'abcdefgh', settle: (settled) => (fate = settled) };
    },
    blobs: {
      put: async (name) => void steps.push(`put ${name.slice(0, 'images/abcdefgh'.length)}`),
      stat: async (name) => {
        steps.push('stat');
        return { name, bytes: 5, storedAt: new Date() };
      },
    },
    bind: async () => {
      steps.push('bind');
      return 'bound';
    },
    appeared: () => undefined,
    own: {
      purge: async (key) => {
        steps.push(`purge ${key}`);
        return undefined;
      },
    },
    ids: RandomIds.hex(),
    ...faults,
  };
  let error: unknown;
  try {
    await makeImage({ picture: { facts, file }, fields: {}, userId: 1n }, options);
  } catch (caught) {
    error = caught;
  }
  return { steps, fate, error };
}

const down = async (): Promise<never> => {
  throw new StoreUnavailableError('a store', 'it is down');
};
const silent = async (): Promise<never> => {
  throw new OutcomeUnknownError('a store', 'no answer');
};

function expectProblem(error: unknown, code: string): void {
  expect(error).to.be.instanceOf(Problem).with.property('code', code);
  expect((error as Problem).status).to.equal(503);
}

describe('a fault between the steps of a post', () => {
  it('none: stored before it is bound, and looked at before it is answered', async () => {
    const { steps, fate, error } = await post({});
    expect(steps).to.deep.equal(['draw', 'put images/abcdefgh', 'bind', 'stat']);
    expect([fate, error]).to.deep.equal(['bound', undefined]);
  });

  it('no key: nothing is stored', async () => {
    const { steps, error } = await post({ drawKey: down });
    expectProblem(error, 'store-down');
    expect(steps).to.deep.equal([]);
  });

  it('the store takes nothing: nothing is bound, and the key goes back', async () => {
    const { steps, fate, error } = await post({ blobs: { put: down, stat: down } });
    expectProblem(error, 'store-down');
    expect([steps, fate]).to.deep.equal([['draw'], 'unused']);
  });

  it('the urls server takes nothing: the key is given up', async () => {
    const { fate, error } = await post({ bind: down });
    expectProblem(error, 'store-down');
    expect(fate).to.equal('unresolved');
  });

  it('the urls server does not say whether it has bound: the key is given up, and the owner is told', async () => {
    const { fate, error } = await post({ bind: silent });
    expectProblem(error, 'store-down');
    expect(fate).to.equal('unresolved');
    expect(String(error)).to.include('Look into your list');
  });

  it('the key is bound already: its pool is suspect', async () => {
    const { fate, error } = await post({ bind: async () => 'taken' });
    expectProblem(error, 'no-key');
    expect(fate).to.equal('duplicate');
  });

  for (const [what, stored] of [
    ['are gone', undefined],
    ['are others', { name: '', bytes: 4, storedAt: new Date() }],
  ] as const)
    it(`the bytes ${what} when the row is bound: nothing is acknowledged`, async () => {
      const put = async (): Promise<void> => undefined;
      const { steps, fate, error } = await post({ blobs: { put, stat: async () => stored } });
      expect(steps).to.deep.equal(['draw', 'bind', 'purge abcdefgh']);
      expectProblem(error, 'store-down');
      expect(fate).to.equal('bound');
    });
});
