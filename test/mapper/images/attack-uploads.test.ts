import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { STREAM_PACE } from '../../../mapper/http/limits.ts';
import { until } from '../../until.ts';
import { harmless, noise } from './attack-pictures.ts';
import { AttackedMapper, formOf, received } from './attacked-mapper.ts';

const MAX_BYTES = 20 * 2 ** 20;
/** The default is half a minute. */
const SHORT_GRACE_MS = 1_500;
const PNG_TYPE = { 'content-type': 'image/png' };

describe('uploads that are made to do harm', function () {
  this.timeout(60_000);
  let attacked: AttackedMapper;
  let png: Buffer;

  before(async () => {
    attacked = await AttackedMapper.start();
    ({ png } = await harmless());
  });

  afterEach(async () => {
    await until('no file of an upload to be left', async () => (await attacked.spooled()).length === 0);
    await attacked.expectUnharmed();
  });

  after(async () => {
    await using ended = attacked;
    await ended.expectNoKeyLeaked();
  });

  describe('as forms', () => {
    const image = (fields: object = {}) => ({
      name: 'image',
      filename: 'a.png',
      type: 'image/png',
      value: png,
      ...fields,
    });

    it('may give their file any name and type, which mean nothing', async () => {
      const names = [
        '../../etc/passwd',
        '/etc/passwd',
        'a\0b.png',
        '',
        '..',
        'a'.repeat(4_000),
        'C:\\\\a',
        '%2e%2e%2f',
      ];
      for (const filename of names) {
        const answer = await attacked.post(formOf([image({ filename, type: 'text/html' })]));
        expect(answer.status, `${filename}: ${answer.text}`).to.equal(201);
      }
      const answer = await attacked.post(formOf([image({ filename: 'a"\r\nX-Evil: 1\r\n\r\n' })]));
      expect(answer.status).to.be.oneOf([201, 400, 415, 422]);
    });

    it('must have exactly one file, in the field image', async () => {
      const wrong = {
        none: [],
        'only a field': [{ name: 'title', value: 'A title' }],
        'image as a text': [{ name: 'image', value: 'not a file' }],
        'a file with another name': [image({ name: 'picture' })],
        'a file without a name': [image({ name: undefined })],
        'two files': [image(), image()],
        'a file with another name beside it': [image(), image({ name: 'other' })],
        'an unknown field': [image(), { name: 'admin', value: 'true' }],
        'a prototype': [image(), { name: '__proto__', value: 'x' }],
        '1,000 fields': [
          image(),
          ...Array.from({ length: 1_000 }, (_, n) => ({ name: `f${n}`, value: 'x' })),
        ],
        '1,000 fields before it': [
          ...Array.from({ length: 1_000 }, (_, n) => ({ name: `f${n}`, value: 'x' })),
          image(),
        ],
        'the same field twice': [image(), { name: 'title', value: 'a' }, { name: 'title', value: 'b' }],
        'a field that is too long': [image(), { name: 'title', value: 'x'.repeat(100_000) }],
      };
      for (const [name, parts] of Object.entries(wrong)) {
        const answer = await attacked.post(formOf(parts));
        expect(answer.status, `${name}: ${answer.text}`).to.be.oneOf([400, 422]);
        expect(String(answer.json()['detail']).length).to.be.above(15);
      }
    });

    it('must not be larger than a picture may be', async () => {
      const large = Buffer.concat([png, Buffer.alloc(MAX_BYTES + 1 - png.length)]);
      await attacked.refuse(413, 'too-large', formOf([image({ value: large })]));
    });

    it('must be well-formed', async () => {
      const { body, headers } = formOf([image()]);
      const [, boundary = ''] = /boundary=(.+)/.exec(headers['content-type'] ?? '') ?? [];
      const inner = formOf([image()]);
      const nested = formOf([image({ value: inner.body, type: inner.headers['content-type'] })]);
      const wrong: Record<string, { body: Buffer; type: string }> = {
        'no boundary': { body, type: 'multipart/form-data' },
        'an empty boundary': { body, type: 'multipart/form-data; boundary=' },
        'another boundary': { body, type: 'multipart/form-data; boundary=other' },
        'a boundary of 10,000 characters': {
          body,
          type: `multipart/form-data; boundary=${'b'.repeat(10_000)}`,
        },
        'no end': { body: body.subarray(0, -boundary.length - 6), type: headers['content-type'] ?? '' },
        nothing: { body: Buffer.alloc(0), type: headers['content-type'] ?? '' },
        'only the end': { body: Buffer.from(`--${boundary}--\r\n`), type: headers['content-type'] ?? '' },
        'a form in a form': { body: nested.body, type: nested.headers['content-type'] ?? '' },
        'an end before its parts': {
          body: Buffer.concat([Buffer.from(`--${boundary}--\r\n`), body]),
          type: headers['content-type'] ?? '',
        },
        'no form': { body: png, type: headers['content-type'] ?? '' },
        'a header without end': {
          body: Buffer.from(`--${boundary}\r\n${'X: y\r\n'.repeat(100_000)}`),
          type: headers['content-type'] ?? '',
        },
        'another kind of multipart': { body, type: `multipart/mixed; boundary=${boundary}` },
      };
      for (const [name, { body: sent, type }] of Object.entries(wrong)) {
        const answer = await attacked.post({ body: sent, headers: { 'content-type': type } });
        expect(answer.status, `${name}: ${answer.text.slice(0, 300)}`).to.be.oneOf([400, 415, 422]);
        expect(String(answer.json()['detail']).length).to.be.above(15);
      }
    });
  });

  it('may break off, at any place', async () => {
    const { body, headers } = formOf([{ name: 'image', filename: 'a.png', value: png }]);
    for (const [sent, type] of [
      [png, PNG_TYPE],
      [body, headers],
    ] as const)
      for (const share of [0, 0.01, 0.5, 0.99]) {
        const socket = attacked.connection({ ...type, 'content-length': String(sent.length) });
        socket.write(sent.subarray(0, Math.floor(sent.length * share)));
        await delay(20);
        if (share === 0.5) socket.resetAndDestroy();
        else socket.destroy();
      }
    await until('no upload to be under way', async () => (await attacked.post({ body: png })).status === 201);
  });

  it('are incomplete when they end before their length', async () => {
    const socket = attacked.connection({ ...PNG_TYPE, 'content-length': String(png.length + 100) });
    const answer = received(socket);
    socket.end(png);
    expect(await answer).to.match(/^HTTP\/1\.1 400 /);
  });

  it('end where their length says, whatever follows', async () => {
    const socket = attacked.connection({ ...PNG_TYPE, 'content-length': String(png.length - 20) });
    const answer = received(socket);
    socket.end(png);
    expect(await answer).to.match(/^HTTP\/1\.1 422 .*damaged-image.*HTTP\/1\.1 400 /s);
  });

  it('may be sent in chunks, without a length', async () => {
    const socket = attacked.connection({ ...PNG_TYPE, 'transfer-encoding': 'chunked', connection: 'close' });
    const answer = received(socket);
    for (let at = 0; at < png.length; at += 500) {
      const piece = png.subarray(at, at + 500);
      socket.write(`${piece.length.toString(16)}\r\n`);
      socket.write(piece);
      socket.write('\r\n');
    }
    socket.write('0\r\n\r\n');
    expect(await answer).to.match(/^HTTP\/1\.1 201 /);
    attacked.taken();
  });

  it('are cut off at 20 MB when they do not say how long they are', async () => {
    const socket = attacked.connection({ ...PNG_TYPE, 'transfer-encoding': 'chunked' });
    const answer = received(socket);
    const piece = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(2 ** 20), Buffer.from('\r\n')]);
    for (let sent = 0; sent < 25 && !socket.destroyed; sent += 1) {
      socket.write(
        sent === 0
          ? Buffer.concat([Buffer.from(`${png.length.toString(16)}\r\n`), png, Buffer.from('\r\n')])
          : piece,
      );
      await delay(5);
    }
    expect(await answer).to.match(/^HTTP\/1\.1 413 .*too-large/s);
  });

  it('are told to go on only when they may come', async () => {
    const head = { ...PNG_TYPE, expect: '100-continue', connection: 'close' };
    const refused = attacked.connection({ ...head, 'content-length': String(MAX_BYTES + 1) });
    expect(await received(refused, 'too-large')).to.match(/^HTTP\/1\.1 413 /);
    refused.destroy();
    const unknown = attacked.connection({ ...head, 'content-length': String(png.length) }, 'nobody');
    expect(await received(unknown, 'bad-credential')).to.match(/^HTTP\/1\.1 401 /);
    unknown.destroy();
    const welcome = attacked.connection({ ...head, 'content-length': String(png.length) });
    const answer = received(welcome);
    await until('the mapper to say so', () => welcome.bytesRead > 0);
    welcome.write(png);
    expect(await answer).to.match(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
    attacked.taken();
  });

  it('that drip on many connections take bounded places, and only those', async () => {
    const large = await noise(300, 300).png().toBuffer();
    const keys = await Promise.all([1, 2, 3, 4].map(async () => attacked.newKey()));
    const sockets = Array.from({ length: 40 }, (_, n) =>
      attacked.connection({ ...PNG_TYPE, 'content-length': String(large.length) }, keys[n % keys.length]),
    );
    const answers = sockets.map(async (socket) => received(socket, '\r\n\r\n'));
    let sent = 0;
    const dripping = setInterval(() => {
      sent += 1;
      for (const socket of sockets) if (!socket.destroyed) socket.write(large.subarray(sent - 1, sent));
    }, 10);
    try {
      await until('a place to be refused', async () => {
        const done = await Promise.race([Promise.any(answers), delay(50)]);
        return done !== undefined && done.startsWith('HTTP/1.1 503 ');
      });
      const refused = await attacked.post({ body: png, key: keys[0] ?? '' });
      expect(refused.status).to.equal(503);
      expect(refused.headers['retry-after']).to.match(/^\d+$/);
      await until('most to be refused', () => sockets.filter(({ bytesRead }) => bytesRead > 0).length >= 24);
      expect((await attacked.spooled()).length).to.be.within(1, 16);
    } finally {
      clearInterval(dripping);
      for (const socket of sockets) socket.destroy();
    }
    await until('a place to be free', async () => (await attacked.post({ body: png })).status === 201);
  });

  it('that stall are cut off', async () => {
    using _ = hastily();
    const socket = attacked.connection({ ...PNG_TYPE, 'content-length': String(png.length) });
    const answer = received(socket);
    socket.write(png.subarray(0, 100));
    expect(await answer).to.match(/^HTTP\/1\.1 408 .*too-slow/s);
  });
});

/** Until it is disposed of, mappers of this process have less patience with clients that stand still. */
function hastily(): Disposable {
  const pace = STREAM_PACE as { graceMs: number };
  const { graceMs } = pace;
  expect(graceMs).to.equal(30_000);
  pace.graceMs = SHORT_GRACE_MS;
  return {
    [Symbol.dispose]: () => {
      pace.graceMs = graceMs;
    },
  };
}
