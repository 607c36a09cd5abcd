import { connect } from 'node:net';
import { expect } from 'chai';
import { problemKind } from '../api/api-client.ts';
import { send, sendRaw, type Answer } from '../client.ts';
import { until } from '../../until.ts';
import { pngOfBytes, pngThatClaims, randomPng } from './pictures.ts';
import { Form, useImages, type PostOptions } from './use-images.ts';

const MAX_BYTES = 20 * 2 ** 20;

describe('bad uploads', () => {
  const images = useImages();
  let cookie = '';

  before(async () => {
    cookie = await images.people.session(await images.people.person());
  });

  /** Nothing stays of it: no blob, no row, no file, no key that is lost. */
  afterEach(async () => {
    expect(await images.blobs()).to.deep.equal([]);
    await until('no upload has a file', async () => (await images.spooled()).length === 0);
    for (const { sql } of images.world.urls) {
      const [rows] = await sql.query('SELECT unique_id FROM urls');
      expect(rows).to.deep.equal([]);
    }
  });

  async function post(options: PostOptions): Promise<Answer> {
    return images.post({ cookie, ...options });
  }

  function formOf(form: Form, isWhole = true): PostOptions {
    return { bytes: form.bytes(isWhole), type: form.type };
  }

  const SVG = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
  const HTML = Buffer.from('<!doctype html><script>alert(1)</script>');

  const CASES: Readonly<
    Record<string, { options: () => PostOptions; status: number; kind: string; field?: string }>
  > = {
    'an SVG': { options: () => ({ bytes: SVG }), status: 415, kind: 'not-an-image' },
    'a page': { options: () => ({ bytes: HTML, type: 'image/gif' }), status: 415, kind: 'not-an-image' },
    'random bytes in a form': {
      options: () => formOf(new Form().file('image', Buffer.alloc(5_000, 7), { filename: 'a.png' })),
      status: 415,
      kind: 'not-an-image',
    },
    'another type of body': {
      options: () => ({ bytes: SVG, type: 'image/svg+xml' }),
      status: 415,
      kind: 'wrong-type',
    },
    'no bytes at all': {
      options: () => ({ bytes: Buffer.alloc(0) }),
      status: 422,
      kind: 'invalid-request',
      field: 'image',
    },
    'an empty file in a form': {
      options: () => formOf(new Form().file('image', Buffer.alloc(0), { filename: '' })),
      status: 422,
      kind: 'invalid-request',
      field: 'image',
    },
    'a picture that is cut off': {
      options: () => ({ bytes: randomPng().subarray(0, -20) }),
      status: 422,
      kind: 'damaged-image',
      field: 'image',
    },
    'a picture whose pixels do not decode': {
      options: () => {
        const bytes = randomPng({ width: 64, height: 64 });
        const at = bytes.indexOf('IDAT') + 40;
        bytes.writeUInt32BE(~bytes.readUInt32BE(at) >>> 0, at);
        return { bytes };
      },
      status: 422,
      kind: 'damaged-image',
      field: 'image',
    },
    'a picture of 100,000² pixels': {
      options: () => ({ bytes: pngThatClaims(100_000, 100_000) }),
      status: 422,
      kind: 'too-many-pixels',
      field: 'image',
    },
    'a byte more than 20 MiB': {
      options: () => ({ bytes: pngOfBytes(MAX_BYTES + 1) }),
      status: 413,
      kind: 'too-large',
    },
    'a byte more than 20 MiB in a form': {
      options: () => formOf(new Form().file('image', pngOfBytes(MAX_BYTES + 1))),
      status: 413,
      kind: 'too-large',
    },
    'a form without the picture': {
      options: () => formOf(new Form().field('title', 'x')),
      status: 422,
      kind: 'invalid-request',
      field: 'image',
    },
    'an empty form': {
      options: () => formOf(new Form()),
      status: 422,
      kind: 'invalid-request',
      field: 'image',
    },
    'two pictures': {
      options: () => formOf(new Form().file('image', randomPng()).file('image', randomPng())),
      status: 422,
      kind: 'invalid-request',
      field: 'image',
    },
    'a file in another field': {
      options: () => formOf(new Form().file('avatar', randomPng())),
      status: 422,
      kind: 'invalid-request',
      field: 'avatar',
    },
    'the picture as a text': {
      options: () => formOf(new Form().field('image', 'data:image/png;base64,AAAA')),
      status: 422,
      kind: 'invalid-request',
      field: 'image',
    },
    'a field that nobody knows': {
      options: () => formOf(new Form().file('image', randomPng()).field('__proto__', 'x')),
      status: 422,
      kind: 'invalid-request',
      field: '__proto__',
    },
    'a title that is given twice': {
      options: () => formOf(new Form().field('title', 'a').field('title', 'b').file('image', randomPng())),
      status: 422,
      kind: 'invalid-request',
      field: 'title',
    },
    'a title of 300 characters': {
      options: () => formOf(new Form().field('title', 'a'.repeat(300)).file('image', randomPng())),
      status: 422,
      kind: 'invalid-request',
      field: 'title',
    },
    'a field of 20,000 bytes': {
      options: () => formOf(new Form().field('title', 'a'.repeat(20_000)).file('image', randomPng())),
      status: 422,
      kind: 'invalid-request',
      field: 'title',
    },
    '1,000 fields': {
      options: () => {
        const form = new Form().file('image', randomPng());
        for (let count = 0; count < 1_000; count += 1) form.field(`f${count}`, 'x');
        return formOf(form);
      },
      status: 422,
      kind: 'invalid-request',
      field: '',
    },
    '1,000 files': {
      options: () => {
        const form = new Form();
        for (let count = 0; count < 1_000; count += 1) form.file('image', randomPng());
        return formOf(form);
      },
      status: 422,
      kind: 'invalid-request',
      field: 'image',
    },
    'an expiry in the past': {
      options: () => ({ bytes: randomPng(), query: { expiration_date: '2001-01-01T00:00:00Z' } }),
      status: 422,
      kind: 'invalid-request',
      field: 'expiration_date',
    },
    'a parameter beside a form': {
      options: () => ({ ...formOf(new Form().file('image', randomPng())), query: { title: 'x' } }),
      status: 422,
      kind: 'invalid-request',
      field: 'title',
    },
    'an unknown parameter': {
      options: () => ({ bytes: randomPng(), query: { long_url: 'https://example.com/' } }),
      status: 422,
      kind: 'invalid-request',
      field: 'long_url',
    },
    'a form that ends in the middle': {
      options: () => formOf(new Form().file('image', randomPng()), false),
      status: 400,
      kind: 'malformed-form',
    },
    'a form that ends in the head of a part': {
      options: () => {
        const { bytes, type = '' } = formOf(new Form().file('image', randomPng()));
        return { bytes: bytes.subarray(0, 60), type };
      },
      status: 400,
      kind: 'malformed-form',
    },
    'a field that is not UTF-8': {
      options: () => {
        const title = Buffer.from('caf\u00e9', 'latin1');
        return formOf(new Form().part('form-data; name="title"', {}, title).file('image', randomPng()));
      },
      status: 400,
      kind: 'malformed-form',
    },
    'a parameter that is not UTF-8': {
      options: () => ({ bytes: randomPng(), query: 'tags=a&title=caf%E9' }),
      status: 422,
      kind: 'invalid-request',
      field: 'title',
    },
    'a form without a boundary': {
      options: () => ({ bytes: randomPng(), type: 'multipart/form-data' }),
      status: 400,
      kind: 'malformed-form',
    },
    'bytes that are no form': {
      options: () => ({ bytes: randomPng(), type: 'multipart/form-data; boundary=abc' }),
      status: 400,
      kind: 'malformed-form',
    },
  };

  for (const [name, { options, status, kind, field }] of Object.entries(CASES))
    it(`${name}: ${status} ${kind}`, async () => {
      const answer = await post(options());
      expect([answer.status, problemKind(answer)], answer.text).to.deep.equal([status, kind]);
      if (field === undefined) return;
      const errors = answer.json()['errors'] as { field: string; reason: string }[];
      expect(errors.map((error) => error.field)).to.deep.equal([field]);
    });

  it('a length of more than 20 MiB is refused before a byte of the body', async () => {
    const head = [
      'POST /images HTTP/1.1',
      'Host: localhost',
      `Cookie: ${cookie}`,
      'Content-Type: image/png',
      `Content-Length: ${MAX_BYTES + 1}`,
      'Expect: 100-continue',
    ];
    const text = await sendRaw(images.mapper.url, `${head.join('\r\n')}\r\n\r\n`, '"status":413');
    expect(text).to.match(/^HTTP\/1\.1 413 /);
    expect(text).to.include(`must not exceed ${MAX_BYTES} bytes`);
  });

  it('a chunked body without end is refused at 20 MiB', async () => {
    const socket = connect(Number(new URL(images.mapper.url).port), '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString())).on('error', () => undefined);
    socket.write(
      `POST /images HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(2 ** 20, 1), Buffer.from('\r\n')]);
    try {
      await until('it is refused', async () => {
        if (!socket.writableNeedDrain && !socket.destroyed) socket.write(chunk);
        return text.includes('too-large');
      });
    } finally {
      socket.destroy();
    }
    expect(text).to.match(/^HTTP\/1\.1 413 /);
  });

  for (const isForm of [false, true])
    it(`an upload that breaks off leaves nothing (${isForm ? 'form' : 'bytes'})`, async () => {
      const form = new Form().file('image', pngOfBytes(2 ** 20));
      const bytes = isForm ? form.bytes() : pngOfBytes(2 ** 20);
      const socket = connect(Number(new URL(images.mapper.url).port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(
        `POST /images HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nContent-Type: ${isForm ? form.type : 'image/png'}\r\nContent-Length: ${bytes.length}\r\n\r\n`,
      );
      socket.write(bytes.subarray(0, 300_000));
      await until('it has a file', async () => (await images.spooled()).length > 0);
      socket.destroy();
      await until('its file is removed', async () => (await images.spooled()).length === 0);
    });

  it('exactly 20 MiB are taken, as bytes and in a form', async () => {
    const bytes = pngOfBytes(MAX_BYTES);
    expect(bytes.length).to.equal(MAX_BYTES);
    for (const options of [{ bytes }, formOf(new Form().file('image', bytes))]) {
      const answer = await post(options);
      expect(answer.status, answer.text).to.equal(201);
      await images.api.call('DELETE', `/images/${String(answer.json()['unique_id'])}`, { cookie });
    }
    await until('their bytes are gone', async () => (await images.blobs()).length === 0);
    for (const { sql } of images.world.urls) await sql.query('DELETE FROM urls');
  });

  it('takes 4 uploads of one owner at a time, and leaves room for others', async () => {
    const { port } = new URL(images.mapper.url);
    const sockets = Array.from({ length: 8 }, () =>
      connect(Number(port), '127.0.0.1').on('error', () => undefined),
    );
    try {
      for (const socket of sockets)
        socket.write(
          `POST /images HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\nabc`,
        );
      await until('some to be refused', () => sockets.filter(({ bytesRead }) => bytesRead > 0).length === 4);
      await until('the others to have files', async () => (await images.spooled()).length === 4);
      const own = await images.post({ bytes: randomPng(), cookie });
      expect([own.status, problemKind(own)]).to.deep.equal([503, 'overloaded']);
      expect(own.headers['retry-after']).to.be.a('string');
      expect(own.json()['detail']).to.include('You have 4 such requests');
      const other = await images.people.session(await images.people.person());
      expect((await images.post({ bytes: Buffer.from('no picture'), cookie: other })).status).to.equal(415);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    await until('no upload to be left', async () => (await images.spooled()).length === 0);
  });

  it('is still alive, and has all its keys', async () => {
    const answer = await send('GET', `${images.mapper.url}/readyz-not-here`);
    expect(answer.status).to.equal(404);
    await images.mapper.terminate();
    const after = await Promise.all(
      images.world.redis.map(async ({ client }) => client.llen('keys:available')),
    );
    // Two keys have links: those of the pictures of 20 MiB.
    expect(after.reduce((sum, level) => sum + level)).to.equal(798);
  });
});
