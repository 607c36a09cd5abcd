import { randomBytes } from 'node:crypto';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { openBlobStore } from '../../../db/blobs/open-blob-store.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { ADMIN_TOKEN } from '../../admin-token.ts';
import { contentOf, newName } from '../../db/blobs/contents.ts';
import { until } from '../../until.ts';
import type { TestMapper } from '../world.ts';
import { useImages } from './use-images.ts';

const TWO_DAYS_MS = 2 * 86_400_000;

describe('the sweep of mappers', function () {
  this.timeout(60_000);
  const images = useImages({ overrides: { jobs: { keptDays: undefined, pollMs: 50 } } });

  async function metricsOf({ adminUrl }: TestMapper): Promise<string> {
    const answer = await fetch(`${adminUrl}/metrics`, {
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    return answer.text();
  }

  /** Makes everything in the store older than the time in which an upload is bound. */
  async function age(): Promise<void> {
    const at = new Date(Date.now() - TWO_DAYS_MS);
    const entries = await readdir(join(images.folder, 'images'), { recursive: true, withFileTypes: true });
    for (const { parentPath, name } of entries.filter((entry) => entry.isFile()))
      await utimes(join(parentPath, name), at, at);
  }

  it('is done by one of them, under the lease on the server of slot 0, and counts what goes', async () => {
    const cookie = await images.people.session(await images.people.person());
    const { key } = await images.makeImage(cookie);
    await using stack = new AsyncDisposableStack();
    const store = await openBlobStore(
      { kind: 'directory', path: images.folder },
      { log: QUIET_LOG, pollMs: 0 },
    );
    stack.defer(async () => store.close());
    const name = newName();
    await store.put(name, contentOf(randomBytes(1_234)));
    await age();
    const mappers = [images.mapper, await images.world.start(images.settings)];
    // Their first round has found nothing; the next one would be hours later.
    const [first, second] = images.world.urls;
    const endOfRound = async (): Promise<Date> =>
      until('the end of a round', async () => {
        const [rows] = (await first?.sql.query("SELECT done_at FROM jobs WHERE name = 'sweep images'")) ?? [];
        return (rows as { done_at: Date | null }[])[0]?.done_at;
      });
    await endOfRound();
    await first?.sql.query("UPDATE jobs SET done_at = NULL WHERE name = 'sweep images'");
    await until('the sweep', async () => (await store.stat(name)) === undefined);
    // What it counted may be shown later than the blob has gone.
    await endOfRound();
    const answer = await fetch(`${images.mapper.url}/images/${key}`);
    expect(answer.status).to.equal(200);
    await answer.arrayBuffer();
    const [rows] = (await second?.sql.query("SELECT * FROM jobs WHERE name = 'sweep images'")) ?? [];
    expect(rows).to.deep.equal([]);
    const texts = await Promise.all(mappers.map(metricsOf));
    expect(texts.join('\n')).to.match(/sweep_ended_timestamp_seconds\{result="whole"\} \d{10}/);
    const swept = texts.map((text) => [
      /blobs_swept_total\{reason="unbound"\} (\d+)/.exec(text)?.[1] ?? '0',
      /blobs_swept_bytes_total (\d+)/.exec(text)?.[1] ?? '0',
    ]);
    expect(swept).to.have.deep.members([
      ['0', '0'],
      ['1', '1234'],
    ]);
  });
});
