import { expect } from 'chai';
import { Places, Progress } from '../../../db/blobs/attempts.ts';
import { block } from '../../block.ts';

describe('waiting for a blob store', () => {
  it('counts no answer as missing that came while the event loop of its own process was blocked', async () => {
    const progress = new Progress({ stallMs: 50, maxMs: 60_000 });
    const answered = Promise.withResolvers<void>();
    setTimeout(() => {
      progress.stop();
      answered.resolve();
    }, 60);
    block(400);
    await answered.promise;
    expect(progress.signal.aborted).to.equal(false);
  });

  it('gives a place that became free while the event loop was blocked', async () => {
    const places = new Places(1, 1);
    const release = await places.take(50);
    const next = places.take(50);
    setTimeout(release, 60);
    block(400);
    (await next)();
  });

  it('ends when nothing goes on, and when no place becomes free', async () => {
    const progress = new Progress({ stallMs: 20, maxMs: 60_000 });
    await new Promise((resolve) => progress.signal.addEventListener('abort', resolve));
    expect(String(progress.signal.reason)).to.include('did not answer within 20 ms');
    const places = new Places(1, 1);
    await places.take(20);
    const refused = await places.take(20).catch((error: unknown) => error);
    expect(String(refused)).to.include('no connection was free within 20 ms');
  });
});
