import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { BlobStore } from '../../../db/blobs/blob-store.ts';
import { contentOf, listed, namesOf } from './contents.ts';

/** How every blob store lists. @param store called in each test */
export function describeBlobList(store: () => BlobStore): void {
  it('lists in the order of names, with lengths and times, only what begins with the prefix', async () => {
    const top = `list-${randomBytes(4).toString('hex')}`;
    const rest = [
      'a', 'a-b', 'a.b', 'a_b', 'b/c', 'b/c-1', 'b/a/x', 'b/a-/x', 'b/a.c/x', 'b/a0/x', 'b/ab/x', 'b/ab/y/z', 'b/abc/x',
      'b/abd', 'b/B/x', 'b-c/x', 'c/-/_', 'Z/z', 'images/AAAA/1', 'images/AAAB/1', 'images/AAB-/1', 'images/AB', '0/1',
    ]; // prettier-ignore
    const names = rest.map((name) => `${top}/${name}`);
    for (const name of names) await store().put(name, contentOf(Buffer.from(name)));
    const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const found = await listed(store(), `${top}/`);
    expect(found.map(({ name }) => name)).to.deep.equal(sorted);
    expect(found.map(({ bytes }) => bytes)).to.deep.equal(sorted.map(({ length }) => length));
    expect(found.every(({ storedAt }) => Math.abs(storedAt.getTime() - Date.now()) < 60_000)).to.equal(true);
    for (const prefix of [
      '',
      'b',
      'b/',
      'b/a',
      'b/a/',
      'b/ab',
      'b/abc/',
      'b/abc/x',
      'a',
      'images/A',
      'images/AA',
      'images/AAA',
      'images/AAAA/',
      'x',
      'b/q/',
      'c/-',
    ]) {
      const wanted = sorted.filter((name) => name.startsWith(`${top}/${prefix}`));
      expect(await namesOf(store(), `${top}/${prefix}`), prefix).to.deep.equal(wanted);
    }
    for (const after of [
      ...sorted,
      `${top}/b/ab`,
      `${top}/b/a`,
      `${top}/images/AAB`,
      `${top}/`,
      top,
      'a',
      `${top}/zz`,
    ]) {
      for (const prefix of [`${top}/`, `${top}/b/a`, `${top}/images/`]) {
        const behind: string[] = [];
        for await (const { name } of store().list(prefix, after)) behind.push(name);
        const wanted = sorted.filter((name) => name.startsWith(prefix) && name > after);
        expect(behind, `${prefix} after ${after}`).to.deep.equal(wanted);
      }
    }
    expect(await namesOf(store(), top)).to.deep.equal(sorted);
    expect(await namesOf(store(), '')).to.include.members(sorted);
  });

  it('lists thousands of blobs, each once', async () => {
    const top = `many-${randomBytes(4).toString('hex')}`;
    const names = Array.from({ length: 1_200 }, (_, n) => `${top}/${(n * 7_919).toString(36)}/${n}`);
    for (let at = 0; at < names.length; at += 50) {
      const part = names.slice(at, at + 50);
      await Promise.all(part.map(async (name) => store().put(name, contentOf(Buffer.from('x')))));
    }
    expect(await namesOf(store(), `${top}/`)).to.deep.equal(names.toSorted());
    // A reader who has seen enough leaves nothing open.
    for await (const { name } of store().list(`${top}/`)) {
      expect(name).to.equal(names.toSorted()[0]);
      break;
    }
  }).timeout(120_000);
}
