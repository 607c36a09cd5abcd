import { expect } from 'chai';
import sharp from 'sharp';
import {
  apngOfFrames,
  gifOfFrames,
  harmless,
  jpegWithHugeProfile,
  noPictures,
  noise,
  pngThatClaims,
  pngThatInflates,
  pngWithProfileBomb,
  pngWithTextBomb,
  polyglots,
  webpOfFrames,
} from './attack-pictures.ts';
import { AttackedMapper } from './attacked-mapper.ts';

const MAX_BYTES = 20 * 2 ** 20;

describe('pictures that are posted to do harm', function () {
  this.timeout(60_000);
  let attacked: AttackedMapper;

  before(async () => {
    attacked = await AttackedMapper.start();
  });

  afterEach(async () => attacked.expectUnharmed());

  after(async () => {
    await using ended = attacked;
    await ended.expectNoKeyLeaked();
  });

  it('are told by their content, not by the type that they claim', async () => {
    for (const [type, bytes] of Object.entries(await harmless())) {
      const { image } = await attacked.postGood(bytes, type === 'gif' ? 'image/avif' : 'image/gif');
      expect(image['type']).to.equal(`image/${type}`);
    }
  });

  it('are refused when they are none', async () => {
    for (const [name, body] of Object.entries(noPictures()))
      for (const type of ['image/png', 'application/octet-stream']) {
        const answer = await attacked.post({ body, headers: { 'content-type': type } });
        expect(answer.status, `${name} as ${type}: ${answer.text}`).to.equal(415);
        expect(answer.json()['type']).to.equal('urn:keymill:problem:not-an-image');
      }
  });

  it('are refused with a content type that no picture has', async () => {
    const { png } = await harmless();
    for (const type of ['image/svg+xml', 'text/html', 'application/json', 'image/*', 'image/png\\', ''])
      await attacked.refuse(415, 'wrong-type', { body: png, headers: { 'content-type': type } });
    await attacked.refuse(415, 'compressed', {
      body: png,
      headers: { 'content-encoding': 'gzip' },
    });
  });

  it('are refused when they are cut off or damaged', async () => {
    for (const [type, bytes] of Object.entries(await harmless()))
      for (const share of [0.3, 0.6, 0.95]) {
        const body = bytes.subarray(0, Math.floor(bytes.length * share));
        const answer = await attacked.post({ body });
        expect(answer.status, `${share} of a ${type}: ${answer.text}`).to.equal(422);
        expect(answer.json()['type']).to.equal('urn:keymill:problem:damaged-image');
      }
  });

  it('are refused without a byte, and above 20 MB', async () => {
    expect((await attacked.post({ body: Buffer.alloc(0) })).status).to.be.oneOf([415, 422]);
    const { png } = await harmless();
    const large = Buffer.concat([png, Buffer.alloc(MAX_BYTES + 1 - png.length)]);
    await attacked.refuse(413, 'too-large', { body: large });
    const answer = await attacked.post({ body: large.subarray(0, MAX_BYTES) });
    expect(answer.status, 'exactly 20 MB, most of them behind its end').to.equal(201);
    expect(answer.json()['bytes']).to.equal(png.length);
  });

  it('are served without what they hide behind or between their parts', async () => {
    for (const [name, { bytes, mark }] of Object.entries(await polyglots())) {
      const served = await attacked.postGood(bytes);
      expect(served.bytes.includes(mark), name).to.equal(false);
      await sharp(served.bytes, { failOn: 'error' }).raw().toBuffer();
    }
  });

  it('are refused with too many pixels, before anything decodes them', async () => {
    const bombs = {
      '100,000 × 100,000': pngThatClaims(100_000, 100_000),
      'more than a number holds': pngThatClaims(2 ** 31 - 1, 2 ** 31 - 1),
      '10,000 × 10,001': pngThatClaims(10_000, 10_001),
      'a GIF of 10,000 frames': gifOfFrames(10_000, 120),
      'a WebP of 10,000 frames': await webpOfFrames(10_000, 120),
      'an APNG of 10,000 frames': apngOfFrames(10_000, 120),
    };
    for (const [name, body] of Object.entries(bombs)) {
      const beganMs = performance.now();
      const answer = await attacked.post({ body });
      expect(answer.status, `${name}: ${answer.text}`).to.equal(422);
      expect(answer.json()['type'], name).to.equal('urn:keymill:problem:too-many-pixels');
      expect(performance.now() - beganMs, name).to.be.below(5_000);
    }
  });

  it('do not fill the memory with what they inflate to', async () => {
    const bombs = {
      'pixels behind a header of one': pngThatInflates(500),
      'a text': pngWithTextBomb(500),
      'a colour profile': pngWithProfileBomb(500),
      'a colour profile of 255 segments': await jpegWithHugeProfile(),
      'as many pixels as are allowed, and no data': pngThatClaims(10_000, 10_000),
    };
    for (const [name, body] of Object.entries(bombs)) {
      const answer = await attacked.post({ body });
      expect(answer.status, `${name}: ${answer.text}`).to.be.oneOf([201, 422, 503]);
    }
    const { png } = await harmless();
    await attacked.postGood(png);
  });

  it('keep nothing of their EXIF but their Orientation', async () => {
    const gps = { GPSLatitudeRef: 'N', GPSLatitude: '52/1 31/1 12/1', GPSLongitude: '13/1 24/1 18/1' };
    for (let orientation = 1; orientation <= 8; orientation += 1)
      for (const format of ['jpeg', 'png', 'webp'] as const) {
        const bytes = await noise(40, 24)
          .withExif({ IFD0: { Artist: 'Somebody Secret', Make: 'A Camera' }, IFD3: gps })
          .withMetadata({ orientation })
          .toFormat(format)
          .toBuffer();
        expect(bytes.includes('Somebody Secret'), 'before').to.equal(true);
        const { image, bytes: served } = await attacked.postGood(bytes);
        for (const secret of ['Somebody Secret', 'A Camera'])
          expect(served.includes(secret), `${format}: ${secret}`).to.equal(false);
        const found = await sharp(served).metadata();
        expect(found.orientation ?? 1, `${format} ${orientation}`).to.equal(orientation);
        expect(found.exif?.length ?? 0, 'no room for a place').to.be.below(60);
        const turned = orientation >= 5 ? { width: 24, height: 40 } : { width: 40, height: 24 };
        expect(image).to.include(turned);
      }
  });

  it('want a key, unless everybody may post', async () => {
    const { png } = await harmless();
    const answer = await attacked.post({ body: png, headers: { authorization: '' } });
    expect(answer.status).to.equal(401);
    await attacked.refuse(401, 'bad-credential', { body: png, key: 'a key of nobody' });
  });
});
