import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { until } from '../../until.ts';
import { askBytes } from './ask-bytes.ts';
import { ImageServer } from './image-server.ts';

const MIB = 2 ** 20;

describe('clients of pictures', () => {
  const sockets: Socket[] = [];
  let server: ImageServer;

  beforeEach(async () => {
    server = await new ImageServer(8 * MIB).start();
  });

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await server.stop();
  });

  /** Asks, several times if wanted, and reads nothing of the answers until it is resumed. */
  function askSlowly(path: string, { client = 'somebody', times = 1, of = server } = {}): Socket {
    const { hostname, port } = new URL(of.url);
    const socket = connect({ host: hostname, port: Number(port) });
    sockets.push(socket);
    socket.pause();
    socket.on('error', () => undefined);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nX-Test-Client: ${client}\r\n\r\n`.repeat(times));
    return socket;
  }

  it('that are slow hold no more than some chunks each, and none when they have gone', async function () {
    this.timeout(60_000);
    const image = server.put({ bytes: randomBytes(16 * MIB) });
    for (let i = 0; i < 20; i += 1) askSlowly(`/images/${image.key}`, { client: String(i) });
    await until('all streams to be open', () => server.store.open === 20);
    let before = -1;
    // They stand still when what is read does not grow any more.
    await until('the readers to stand still', () => {
      const same = before === server.store.bytesRead;
      before = server.store.bytesRead;
      return same && before > 20 * MIB;
    });
    // The sockets of the system have some MB of each.
    expect(server.store.bytesRead).to.be.below(20 * 10 * MIB);
    for (const socket of sockets) socket.destroy();
    await until('the streams to be closed', () => server.store.open === 0);
  });

  it('that ask for many in one connection hold one: the others wait for their turn', async () => {
    const image = server.put({ bytes: randomBytes(6 * MIB) });
    const warnings: string[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning.message);
    process.on('warning', onWarning);
    try {
      for (let i = 0; i < 4; i += 1)
        askSlowly(`/images/${image.key}`, { times: 64, client: `slow ${String(i)}` });
      await until('four to be open', () => server.store.open === 4);
      const other = server.put({ bytes: randomBytes(6 * MIB) });
      const { bytes } = await askBytes(server.pathOf(other));
      expect(bytes.equals(other.bytes)).to.equal(true);
      // Whoever waits was not looked up either.
      expect([server.store.gets, server.clicked.length]).to.deep.equal([5, 5]);
      for (const socket of sockets) socket.destroy();
      await until('the streams to be closed', () => server.store.open === 0);
      expect([server.store.gets, warnings]).to.deep.equal([5, []]);
    } finally {
      process.off('warning', onWarning);
    }
  });

  it('get all answers of a connection in their order', async () => {
    const image = server.put({ bytes: randomBytes(2 * MIB) });
    const socket = askSlowly(`/images/${image.key}`, { times: 3 });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.resume();
    const bodies = (): Buffer[] => {
      const all = Buffer.concat(chunks);
      const found: Buffer[] = [];
      for (let at = 0; ;) {
        const from = all.indexOf('\r\n\r\n', at) + 4;
        at = from + image.bytes.length;
        if (from < 4 || at > all.length) return found;
        found.push(all.subarray(from, at));
      }
    };
    await until('three answers', () => bodies().length === 3);
    for (const body of bodies()) expect(body.equals(image.bytes)).to.equal(true);
  });

  it('have a part of all streams each, so that others get theirs', async function () {
    this.timeout(60_000);
    const image = server.put({ bytes: randomBytes(16 * MIB) });
    for (let i = 0; i < 40; i += 1) askSlowly(`/images/${image.key}`, { client: 'greedy' });
    await until('its part to be taken', () => server.store.open === 16);
    const { status } = await askBytes(server.pathOf(image), { 'x-test-client': 'greedy' });
    expect(status).to.equal(503);
    const other = await askBytes(server.pathOf(image), { 'x-test-client': 'other' });
    expect(other.bytes.equals(image.bytes)).to.equal(true);
    expect(server.store.mostOpen).to.equal(17);
    // A place that is given back goes to one who waits.
    sockets.shift()?.destroy();
    await until('its answer', () => server.store.gets >= 17);
  });

  it('that leave while the store thinks are no error of ours, and no click', async () => {
    const image = server.put({ bytes: randomBytes(6 * MIB) });
    server.store.faults = { delayMs: 300 };
    const socket = askSlowly(`/images/${image.key}`);
    await until('the store to be asked', () => server.store.gets === 1);
    socket.resetAndDestroy();
    await until(
      'the stream to be open, and closed again',
      () => server.store.mostOpen === 1 && server.store.open === 0,
    );
    expect((await askBytes(server.pathOf(image))).status).to.equal(200);
    expect(server.answered).to.deep.equal([['found', 'store']]);
    expect([server.logged, server.cutOff, server.clicked.length]).to.deep.equal([[], 0, 1]);
  });

  it('that are slow keep their picture in memory, and no other is read over it', async function () {
    this.timeout(90_000);
    await server.stop();
    server = await new ImageServer(128 * MIB).start();
    // The system takes some MB of each.
    const images = Array.from({ length: 8 }, () => server.put({ bytes: randomBytes(16 * MIB) }));
    for (const image of images) for (let i = 0; i < 2; i += 1) await askBytes(server.pathOf(image));
    expect(server.memory.size).to.equal(8);
    const asked = server.answered.length;
    for (const { key } of images) askSlowly(`/images/${key}`);
    await until('their answers to begin', () => server.answered.length === asked + 8);
    const more = server.put({ bytes: randomBytes(16 * MIB) });
    for (let i = 0; i < 6; i += 1) {
      const { bytes } = await askBytes(server.pathOf(more));
      expect(bytes.equals(more.bytes)).to.equal(true);
      expect(server.answered.at(-1)).to.deep.equal(['found', 'store']);
    }
    for (const image of images) {
      await askBytes(server.pathOf(image));
      expect(server.answered.at(-1)).to.deep.equal(['found', 'memory']);
    }
    // When they have gone, it gets its place.
    for (const socket of sockets) socket.destroy();
    await until('it to be in memory', async () => {
      await askBytes(server.pathOf(more));
      return server.answered.at(-1)?.[1] === 'memory';
    });
  });

  it('read a large picture of memory in their own time, as long as they read at all', async function () {
    this.timeout(60_000);
    const hasty = await new ImageServer(64 * MIB).start({ stalledMs: 2_500 });
    let reading: NodeJS.Timeout | undefined;
    try {
      const image = hasty.put({ bytes: randomBytes(8 * MIB) });
      for (let i = 0; i < 3; i += 1) await askBytes(hasty.pathOf(image));
      const socket = askSlowly(`/images/${image.key}`, { of: hasty });
      let read = 0;
      let isCut = false;
      socket.on('close', () => (isCut = true));
      socket.on('data', (chunk: Buffer) => {
        read += chunk.length;
        socket.pause();
      });
      reading = setInterval(() => socket.resume(), 40);
      await until('the whole picture', () => isCut || read >= image.bytes.length, { timeoutMs: 50_000 });
      expect(isCut).to.equal(false);
    } finally {
      clearInterval(reading);
      await hasty.stop();
    }
  });
});
