import { execFileSync } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { expect } from 'chai';
import { until } from '../../until.ts';
import { send } from '../client.ts';
import { randomPng } from './pictures.ts';
import { useImages } from './use-images.ts';

describe('/readyz of a mapper with images', () => {
  const images = useImages();

  async function ready(): Promise<{ status: number; degraded: unknown }> {
    const answer = await send('GET', `${images.mapper.adminUrl}/readyz`);
    return { status: answer.status, degraded: answer.json()['degraded'] };
  }

  const isDegraded = async (...names: string[]): Promise<boolean> =>
    JSON.stringify((await ready()).degraded) === JSON.stringify(names);

  async function metric(name: string): Promise<string | undefined> {
    const { text } = await send('GET', `${images.mapper.adminUrl}/metrics`);
    return new RegExp(`^keymill_${name} (\\d+)$`, 'm').exec(text)?.[1];
  }

  beforeEach(async () => until('all stores', async () => isDegraded()));

  it('names the blob store while its folder is away, and not when it is back', async () => {
    await rename(images.folder, `${images.folder}-away`);
    try {
      await until('its name', async () => isDegraded('blob-store'));
      expect((await ready()).status).to.equal(200);
      expect(await metric('blob_store_writable')).to.equal('0');
    } finally {
      await rename(`${images.folder}-away`, images.folder);
    }
    await until('all stores', async () => isDegraded());
  });

  it('names its writes while its folder is read-only, and not when that is over', async () => {
    const cookie = await images.people.session(await images.people.person());
    execFileSync('mount', ['--bind', images.folder, images.folder]);
    try {
      // The mapper looks by writing a file.
      await until('the folder to be read-only', () => {
        execFileSync('mount', ['-o', 'remount,bind,ro', images.folder], { stdio: 'ignore' });
        return true;
      });
      await until('its name', async () => isDegraded('blob-store writes'));
      expect((await ready()).status).to.equal(200);
      expect((await images.post({ bytes: randomPng(), cookie })).status).to.equal(503);
      expect([await metric('blob_store_up'), await metric('blob_store_writable')]).to.deep.equal(['1', '0']);
    } finally {
      await until('nobody uses the folder', () => {
        execFileSync('umount', [images.folder], { stdio: 'ignore' });
        return true;
      });
    }
    await until('all stores', async () => isDegraded());
    expect((await images.post({ bytes: randomPng(), cookie })).status).to.equal(201);
  });
});
