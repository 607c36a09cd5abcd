import { expect } from 'chai';
import { BulkService } from '../../../mapper/api/bulk-service.ts';
import { MAX_BULK_MS } from '../../../mapper/bulk/read-items.ts';
import type { BulkTools } from '../../../mapper/bulk/tools.ts';
import { Units } from '../../../mapper/bulk/units.ts';
import type { Log } from '../../../runtime/log.ts';
import { NDJSON, parseLines } from './bulk-fixture.ts';

function unused(): never {
  throw new Error('nothing is made here');
}

describe('a bulk that takes long', () => {
  it('makes no item behind its 15 minutes', async () => {
    let nowMs = 1_000;
    const service = new BulkService({
      tools: { units: new Units(10), now: () => nowMs } as BulkTools,
      read: () => ({ fields: {}, userId: 1n, idempotencyKey: undefined }),
      prepare: unused,
      shorten: unused,
      makeRepeatable: async ({ index = 0 }) => {
        if (index > 0) unused();
        nowMs += MAX_BULK_MS;
        const row = { slot: 0, key: 'a', requestId: 'a', longUrl: 'https://example.com/', alias: false };
        const own = { userId: 1n, title: null, tags: [], rules: {} };
        return { status: 201, row: { ...row, ...own, createdAt: new Date(0), expiresAt: null } };
      },
      publicUrl: 'https://example.com',
      onItem: () => undefined,
      log: {} as Log,
    });
    async function* pieces(): AsyncGenerator<Buffer> {
      yield Buffer.from('{}\n');
      yield Buffer.from('{}\n{}\n');
    }
    const sender = {
      identity: {
        userId: 1n,
        scopes: [],
        proof: { kind: 'key', id: 'k' },
        endsAtMs: Number.POSITIVE_INFINITY,
        usedAtMs: 0,
      },
      identifyAgain: async () => undefined,
      idempotencyKey: undefined,
    } as const;
    const { content, endsAtMs } = service.make(sender, { type: NDJSON, pieces: pieces() });
    let text = '';
    for await (const piece of content as AsyncIterable<string>) text += piece;
    expect(parseLines(text).map(({ status }) => status)).to.deep.equal([201, 408, 408]);
    expect(endsAtMs).to.be.above(1_000 + MAX_BULK_MS);
  });
});
