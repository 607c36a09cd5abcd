import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { OutcomeUnknownError, StoreUnavailableError } from '../../../db/store-errors.ts';
import { Problem } from '../../../mapper/http/problem.ts';
import { makeImage, type MakeImageOptions } from '../../../mapper/images/make-image.ts';
import type { SpoolFile } from '../../../mapper/images/spool-file.ts';
import { UploadDeadline } from '../../../mapper/images/upload-deadline.ts';
import type { ImageWish } from '../../../mapper/images/make-image.ts';
import type { Fate } from '../../../mapper/reservations/policy.ts';
import { RandomIds } from '../../../runtime/random-ids.ts';
import { until } from '../../until.ts';

/** A post up to the step that fails, and what becomes of its key. */
async function post(
  faults: Partial<MakeImageOptions>,
  {
    fields = {},
    userId = 1n,
    answerMs = 12_000,
  }: Partial<Pick<ImageWish, 'fields' | 'userId'>> & { readonly answerMs?: number } = {},
): Promise<{
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
    await makeImage(
      { picture: { facts, file }, fields, userId, deadline: new UploadDeadline(answerMs) },
      options,
    );
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

  it('the urls server takes nothing: nothing is bound, and the key goes back', async () => {
    const { fate, error } = await post({ bind: down });
    expectProblem(error, 'store-down');
    expect(fate).to.equal('unused');
  });

  it('too many links are under way: the key goes back', async () => {
    const full = async (): Promise<never> => {
      throw new Problem('overloaded');
    };
    const { fate, error } = await post({ bind: full });
    expectProblem(error, 'overloaded');
    expect(fate).to.equal('unused');
  });

  it('storing takes until there is no time for the link: it is not bound, and the key goes back', async () => {
    const hang = async (): Promise<never> => new Promise(() => undefined);
    const { steps, fate, error } = await post({ blobs: { put: hang, stat: hang } }, { answerMs: 3_050 });
    expectProblem(error, 'store-down');
    expect([steps, fate]).to.deep.equal([['draw'], 'unused']);
  });

  it('the bind hangs: the key is given up, and the owner is told', async () => {
    const put = async (): Promise<void> => undefined;
    const blobs = { put, stat: down };
    const bind = async (): Promise<never> => new Promise(() => undefined);
    const { fate, error } = await post({ blobs, bind }, { answerMs: 3_200 });
    expectProblem(error, 'store-down');
    expect(fate).to.equal('unresolved');
    expect(String(error)).to.include('Look into your list');
  });

  it('nobody says whether the bytes are there when the row is bound: its owner is told', async () => {
    const put = async (): Promise<void> => undefined;
    const { steps, error } = await post({ blobs: { put, stat: down } });
    expect(steps).to.deep.equal(['draw', 'bind']);
    expectProblem(error, 'store-down');
    expect(String(error)).to.include('Look into your list');
  });

  it('the same for who has no list: the image goes', async () => {
    const put = async (): Promise<void> => undefined;
    const { steps, error } = await post({ blobs: { put, stat: down } }, { userId: null });
    expect(steps).to.deep.equal(['draw', 'bind', 'purge abcdefgh']);
    expectProblem(error, 'store-down');
  });

  it('it expires while it is stored: it is not bound', async () => {
    const fields = { expiration_date: new Date(Date.now() - 1) };
    const { steps, fate, error } = await post({}, { fields });
    expect(error).to.be.instanceOf(Problem).with.property('status', 422);
    expect(steps).to.deep.equal(['draw', 'put images/abcdefgh']);
    expect(fate).to.equal('unused');
  });

  it('says of an image when it was bound', async () => {
    const rows: { createdAt: Date }[] = [];
    let storedAtMs = 0;
    const put = async (): Promise<void> => {
      const beganMs = Date.now();
      await until('time to go on', () => Date.now() > beganMs);
      storedAtMs = Date.now();
    };
    const stat = async () => ({ name: '', bytes: 5, storedAt: new Date() });
    await post({
      blobs: { put, stat },
      bind: async (row) => {
        rows.push(row);
        return 'bound';
      },
    });
    expect(rows.map(({ createdAt }) => createdAt.getTime() >= storedAtMs)).to.deep.equal([true]);
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
