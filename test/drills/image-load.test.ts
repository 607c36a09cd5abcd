import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { ImagesKeeper, type ImagesVerdict } from '../../drills/check/images.ts';
import { History, readHistory } from '../../drills/history/history.ts';
import { Balancer } from '../../drills/load/balancer.ts';
import { ImageClient } from '../../drills/load/image-client.ts';
import { ImageLoad } from '../../drills/load/image-load.ts';
import { numberOfPicture, pictureOf } from '../../drills/load/pictures.ts';
import { createRandom } from '../../runtime/random.ts';
import { until } from '../until.ts';

/** Answers a request for an image instead of the mapper; undefined: the mapper itself answers. */
type Fault = (key: string, response: ServerResponse, images: ReadonlyMap<string, Buffer>) => true | undefined;

/** A mapper that keeps images in memory, in a mapper's own words. */
class FakeMapper {
  readonly images = new Map<string, Buffer>();
  readonly #fault: Fault;
  readonly #tokens = new Map<string, string>();
  readonly #server: Server;

  constructor(fault: Fault) {
    this.#fault = fault;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Images that were deleted. */
  get deleted(): number {
    return this.#tokens.size - this.images.size;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request;
    const key = url.slice('/images/'.length);
    if (url === '/readyz') response.end();
    else if (method === 'POST') {
      const made = { unique_id: `key-${this.#tokens.size}`, delete_token: `token-${this.#tokens.size}` };
      this.images.set(made.unique_id, await buffer(request));
      this.#tokens.set(made.unique_id, made.delete_token);
      response.writeHead(201).end(JSON.stringify(made));
    } else if (method === 'DELETE') {
      const isRight = request.headers['x-delete-token'] === this.#tokens.get(key);
      if (isRight) this.images.delete(key);
      response.writeHead(isRight ? 204 : 403).end();
    } else if (this.#fault(key, response, this.images) === undefined) {
      const bytes = this.images.get(key);
      response.writeHead(bytes === undefined ? 410 : 200).end(bytes);
    }
  }
}

describe('clients that post and look at images', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keymill-images-'));
  after(() => rmSync(folder, { recursive: true }));

  async function judgeLoadOn(fault: Fault): Promise<ImagesVerdict> {
    const mapper = new FakeMapper(fault);
    const url = await mapper.listen();
    const balancer = new Balancer(() => [{ id: 'mapper-1', url, admin: url }]);
    const history = new History(join(folder, 'history.jsonl'));
    const client = new ImageClient({ balancer, history, runId: 'test', apiKey: 'a key' });
    const load = new ImageLoad({ client, mappers: ['mapper-1'], random: createRandom(7) });
    try {
      await until('30 images, and a deletion', () => load.acked >= 30 && mapper.deleted > 0);
    } finally {
      await load.stop();
    }
    await load.viewAll();
    await balancer.stop();
    mapper.close();
    await history.close();
    const keeper = new ImagesKeeper();
    for await (const entry of readHistory(history.path)) keeper.add(entry);
    return keeper.result();
  }

  it('finds nothing wrong with a mapper that does everything right', async () => {
    const verdict = await judgeLoadOn(() => undefined);
    expect(verdict.violations).to.deep.equal([]);
    expect(verdict.acked).to.be.at.least(30);
    expect(verdict.deleted).to.be.at.least(1);
    expect(verdict.views).to.be.at.least(60);
  });

  it('finds a mapper that shows the image of another key', async () => {
    const { wrongBytes } = await judgeLoadOn((key, response, images) => {
      if (key !== 'key-5' || !images.has(key)) return undefined;
      response.end(images.get('key-4') ?? images.get('key-3'));
      return true;
    });
    expect(wrongBytes).to.be.at.least(2);
  });

  it('finds bytes that are changed, and fewer', async () => {
    const { wrongBytes } = await judgeLoadOn((key, response, images) => {
      const bytes = images.get(key);
      if (bytes === undefined || !/^key-[78]$/.test(key)) return undefined;
      response.end(
        key === 'key-7' ? bytes.map((byte, at) => (at === 100 ? byte ^ 1 : byte)) : bytes.subarray(0, -1),
      );
      return true;
    });
    expect(wrongBytes).to.be.at.least(4);
  });

  it('finds a lost image, and does not mind one that breaks off or is refused before the end', async () => {
    const broken = new Set<string>();
    const verdict = await judgeLoadOn((key, response, images) => {
      const bytes = images.get(key);
      if (bytes === undefined) return undefined;
      if (key === 'key-9') response.writeHead(404).end();
      else if (broken.has(key)) return undefined;
      else if (broken.add(key).size % 2 === 0) response.writeHead(503).end();
      else
        response
          .writeHead(200, { 'content-length': bytes.length })
          .end(bytes.subarray(0, 100), () => response.destroy());
      return true;
    });
    expect(verdict.lost).to.be.at.least(1);
    expect(verdict.violations.every((violation) => violation.startsWith('key-9 '))).to.equal(true);
    expect(verdict.viewsRefused).to.be.above(5);
    expect(verdict.viewsBrokenOff).to.be.above(5);
  });

  it('makes pictures that differ, each of which it knows again', () => {
    for (const n of [0, 1, 7, 300]) {
      expect(numberOfPicture('test', pictureOf('test', n))).to.equal(n);
      expect(numberOfPicture('other', pictureOf('test', n))).to.equal(undefined);
    }
    expect(numberOfPicture('test', Buffer.from('no picture'))).to.equal(undefined);
  });
});
