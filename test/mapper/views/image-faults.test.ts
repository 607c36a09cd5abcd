import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { THUMBNAIL_MAKER, UndecodableError } from '../../../mapper/pictures/decoder.ts';
import { ranMs } from '../../ran-ms.ts';
import { until } from '../../until.ts';
import { askBytes } from './ask-bytes.ts';
import { ImageServer, webp, type PutImage } from './image-server.ts';

const MIB = 2 ** 20;

describe('a store of pictures that fails', () => {
  let server: ImageServer;

  beforeEach(async () => {
    server = await new ImageServer().start();
  });

  afterEach(async () => server.stop());

  const lastResult = (): string | undefined => server.answered.at(-1)?.[0];

  async function expect503(image: PutImage, result: string): Promise<void> {
    const before = server.clicked.length;
    const { status, headers, bytes } = await askBytes(server.pathOf(image));
    expect(status).to.equal(503);
    expect(headers).to.include({ 'cache-control': 'no-store', 'retry-after': '1' });
    expect(headers).not.to.have.any.keys('etag', 'last-modified', 'accept-ranges', 'content-security-policy');
    expect(bytes.toString()).to.include('urn:keymill:problem:store-down');
    expect(lastResult()).to.equal(result);
    expect(server.clicked).to.have.length(before);
  }

  it('is 503 while it is away, and what is in memory goes on', async () => {
    const [warm, cold] = [server.put(), server.put()];
    for (let i = 0; i < 3; i += 1) await askBytes(server.pathOf(warm));
    server.store.faults = { isDown: true };
    await expect503(cold, 'unavailable');
    const { bytes } = await askBytes(server.pathOf(warm));
    expect(bytes.equals(warm.bytes)).to.equal(true);
    expect((await askBytes(server.pathOf(cold), {}, 'HEAD')).status).to.equal(200);
    server.store.faults = {};
    expect((await askBytes(server.pathOf(cold))).status).to.equal(200);
  });

  for (const [what, spoil] of [
    ['is missing', (image: PutImage) => server.store.blobs.delete(image.name)],
    [
      'has other bytes',
      (image: PutImage) => server.store.blobs.set(image.name, randomBytes(image.bytes.length)),
    ],
    ['is shorter', (image: PutImage) => server.store.blobs.set(image.name, image.bytes.subarray(1))],
    [
      'is longer',
      (image: PutImage) => server.store.blobs.set(image.name, Buffer.concat([image.bytes, webp('')])),
    ],
  ] as const)
    it(`is 503 for a blob that ${what}, at each request, and keeps nothing of it`, async () => {
      const image = server.put();
      spoil(image);
      for (let i = 0; i < 4; i += 1) await expect503(image, 'damaged');
      expect([server.memory.bytes, server.memory.size]).to.deep.equal([0, 0]);
      // It is not read again at each request.
      expect(server.store.gets).to.equal(1);
    });

  it('is 503 when it lies about the length of a blob', async () => {
    for (const claims of [-1, 1, 5_000]) {
      server.store.faults = { claims };
      await expect503(server.put(), 'damaged');
    }
  });

  it('is 503 when a small blob breaks off, hangs or ends early', async () => {
    for (const [faults, result] of [
      [{ breaksAfter: 500 }, 'unavailable'],
      [{ endsAfter: 500 }, 'damaged'],
    ] as const) {
      server.store.faults = faults;
      await expect503(server.put(), result);
    }
    await until('the streams to be closed', () => server.store.open === 0);
  });

  it('is 503 after a bounded wait when nothing comes', async function () {
    this.timeout(60_000);
    server.store.faults = { hangsAfter: 500 };
    const [startedMs, startedRanMs] = [performance.now(), ranMs()];
    await expect503(server.put(), 'unavailable');
    expect(performance.now() - startedMs).to.be.at.least(4_000);
    expect(ranMs() - startedRanMs).to.be.at.most(8_000);
    await until('the streams to be closed', () => server.store.open === 0);
  });

  describe('with a picture that is sent while it is read', () => {
    const large = (): PutImage => server.put({ bytes: randomBytes(6 * MIB) });

    async function expectCut(image: PutImage): Promise<void> {
      const error = await askBytes(server.pathOf(image)).then(
        ({ status }) => `an answer ${status}`,
        (failure: NodeJS.ErrnoException) => failure.code,
      );
      expect(error).to.equal('ECONNRESET');
      expect(server.cutOff).to.equal(1);
      expect(server.memory.size).to.equal(0);
    }

    it('cuts the connection when it breaks off', async () => {
      server.store.faults = { breaksAfter: MIB };
      await expectCut(large());
    });

    it('cuts the connection when it ends early', async () => {
      server.store.faults = { endsAfter: MIB };
      await expectCut(large());
    });

    it('cuts the connection when it hangs', async function () {
      this.timeout(60_000);
      server.store.faults = { hangsAfter: MIB };
      await expectCut(large());
    });

    it('never sends other bytes as a whole: the last ones wait for the hash', async () => {
      const image = large();
      const other = Buffer.from(image.bytes);
      other.writeUInt8(other.readUInt8(10) ^ 1, 10);
      server.store.blobs.set(image.name, other);
      await expectCut(image);
      await expect503(image, 'damaged');
    });

    it('compares the hash once in a process', async () => {
      const image = large();
      await askBytes(server.pathOf(image));
      server.store.blobs.set(image.name, randomBytes(image.bytes.length));
      expect((await askBytes(server.pathOf(image))).status).to.equal(200);
    });
  });

  it('is read once for many who ask for a cold picture, and a second time for memory', async () => {
    const image = server.put({ bytes: randomBytes(MIB / 2) });
    server.store.faults = { delayMs: 50 };
    const answers = await Promise.all(Array.from({ length: 50 }, async () => askBytes(server.pathOf(image))));
    expect(answers.every(({ bytes }) => bytes.equals(image.bytes))).to.equal(true);
    expect(server.store.gets).to.equal(2);
    expect(server.clicked).to.have.length(50);
  });
});

describe('thumbnails', () => {
  let server: ImageServer;

  beforeEach(async () => {
    server = await new ImageServer().start();
  });

  afterEach(async () => server.stop());

  it('are made once for many who ask, and kept in the store', async () => {
    const image = server.put();
    const url = `${server.pathOf(image)}?size=320`;
    const answers = await Promise.all(Array.from({ length: 30 }, async () => askBytes(url)));
    const [{ headers, bytes }] = answers as [(typeof answers)[number]];
    expect(headers).to.include({
      'content-type': 'image/webp',
      etag: `"${image.facts.sha256.slice(0, 32)}-320-${THUMBNAIL_MAKER}"`,
      'content-length': String(bytes.length),
    });
    expect(answers.every((answer) => answer.status === 200 && answer.bytes.equals(bytes))).to.equal(true);
    expect([server.decoded, server.made, server.store.puts]).to.deep.equal([[320], 1, 1]);
    expect(server.store.blobs.get(`${image.name}-320`)?.equals(bytes)).to.equal(true);
    expect(server.clicked).to.deep.equal([]);
  });

  it('obey conditions, ranges and HEAD like the picture', async () => {
    const url = `${server.pathOf(server.put())}?size=160`;
    const whole = await askBytes(url);
    const etag = whole.headers.etag ?? '';
    expect((await askBytes(url, { 'if-none-match': etag })).status).to.equal(304);
    const part = await askBytes(url, { range: 'bytes=1-3', 'if-range': etag });
    expect([part.status, part.bytes.toString()]).to.deep.equal([206, whole.bytes.toString('latin1', 1, 4)]);
    expect((await askBytes(url, { range: `bytes=${whole.bytes.length}-` })).status).to.equal(416);
    const head = await askBytes(url, {}, 'HEAD');
    expect(head.headers['content-length']).to.equal(String(whole.bytes.length));
  });

  it('are made again when the stored one is damaged', async () => {
    const image = server.put();
    server.store.blobs.set(`${image.name}-640`, Buffer.from('<html>'));
    const { bytes } = await askBytes(`${server.pathOf(image)}?size=640`);
    expect(bytes.toString('latin1', 8, 12)).to.equal('WEBP');
    expect(server.store.blobs.get(`${image.name}-640`)?.equals(bytes)).to.equal(true);
  });

  it('do not stay when their image is deleted while they are made', async () => {
    const image = server.put();
    server.decode = async () => {
      server.links.set(image.key, { longUrl: undefined, expiresAtMs: undefined });
      return webp('late');
    };
    await askBytes(`${server.pathOf(image)}?size=160`);
    expect([...server.store.blobs.keys()]).to.deep.equal([image.name]);
  });

  it('are not tried again at each request when they cannot be made', async () => {
    const image = server.put();
    server.decode = async () => {
      throw new UndecodableError('it is too slow');
    };
    for (let i = 0; i < 3; i += 1)
      expect((await askBytes(`${server.pathOf(image)}?size=160`)).status).to.equal(503);
    expect([server.decoded, server.logged]).to.deep.equal([[160], ['a picture cannot be made smaller']]);
  });

  it('are 503 when the picture is damaged, and none is stored', async () => {
    const image = server.put();
    server.store.blobs.set(image.name, randomBytes(image.bytes.length));
    expect((await askBytes(`${server.pathOf(image)}?size=160`)).status).to.equal(503);
    expect(server.store.puts).to.equal(0);
  });
});
