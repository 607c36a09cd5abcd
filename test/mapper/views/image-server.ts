import { createHash, randomBytes } from 'node:crypto';
import { blobNameOf, imageTarget, type ImageFacts, type PictureType } from '../../../db/urls/image-facts.ts';
import type { LinkRules } from '../../../db/urls/link-rules.ts';
import type { CachedLink } from '../../../mapper/cache/link-cache.ts';
import { createApp } from '../../../mapper/http/app.ts';
import { LIMITS, type ServerLimits } from '../../../mapper/http/limits.ts';
import { Problem } from '../../../mapper/http/problem.ts';
import { openPublicPort } from '../../../mapper/http/public-port.ts';
import { RequestIds } from '../../../mapper/http/request-id.ts';
import { startServer, type PublicServer } from '../../../mapper/http/server.ts';
import type { Decoder } from '../../../mapper/pictures/decoder.ts';
import { Refusals } from '../../../mapper/redirect/refusals.ts';
import { addImageRoutes } from '../../../mapper/views/image-route.ts';
import type { ImageResult, ImageSource } from '../../../mapper/views/image-tally.ts';
import { PictureMemory } from '../../../mapper/views/picture-memory.ts';
import { Pictures } from '../../../mapper/views/pictures.ts';
import { Thumbnails } from '../../../mapper/views/thumbnails.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { randomKeys } from '../world.ts';
import { FaultyStore } from './faulty-store.ts';

export interface PutImage {
  readonly key: string;
  readonly bytes: Buffer;
  readonly facts: ImageFacts;
  readonly name: string;
}

/**
 * The route of images on a real HTTP server, over a store with faults and links in a Map. For what depends
 * neither on the stores of links nor on what is in a picture.
 */
export class ImageServer {
  readonly store = new FaultyStore();
  readonly links = new Map<string, CachedLink>();
  /** The keys whose pictures were followed. */
  readonly clicked: string[] = [];
  readonly answered: [ImageResult, ImageSource | undefined][] = [];
  readonly decoded: number[] = [];
  readonly memory: PictureMemory;
  /** What was logged as an error. */
  readonly logged: string[] = [];
  cutOff = 0;
  missed = 0;
  made = 0;
  isRefusing = false;
  decode: Decoder['thumbnail'] = async (picture, size) => webp(`${picture.length} at ${size}`);
  readonly #decode: Decoder['thumbnail'] = async (picture, size) => {
    this.decoded.push(size);
    return this.decode(picture, size);
  };
  #server: PublicServer | undefined;
  url = '';

  constructor(cacheBytes = 2 ** 23) {
    this.memory = new PictureMemory(cacheBytes);
  }

  async start(limits: Partial<ServerLimits> = {}): Promise<this> {
    const { store, memory, links } = this;
    const noteError = (_about: unknown, text?: string): unknown => this.logged.push(text ?? '');
    const log = Object.assign(QUIET_LOG.child({}), { error: noteError });
    const pictures = new Pictures({ store, memory, now: monotonicMs });
    const find = async (key: string) => ({ entry: links.get(key) ?? ('unknown' as const) });
    const thumbnails = new Thumbnails({
      store,
      memory,
      pictures,
      decoder: { thumbnail: this.#decode },
      isThere: async (key) => links.get(key)?.longUrl !== undefined,
      onMade: () => (this.made += 1),
      now: monotonicMs,
      log,
    });
    const app = createApp({
      addRoutes: (router) =>
        addImageRoutes(router, {
          views: { pictures, thumbnails, maxAgeS: 300 },
          finder: { find },
          clicks: { count: (key) => void this.clicked.push(key) },
          tally: {
            answered: (result, source) => void this.answered.push([result, source]),
            cutOff: () => (this.cutOff += 1),
          },
          refusals: new Refusals(undefined),
          limits: {
            admit: () => {
              if (this.isRefusing) throw new Problem('too-many-requests');
            },
            missed: () => (this.missed += 1),
            addressOf: ({ headers }) => String(headers['x-test-client'] ?? 'somebody'),
          },
          nowMs: Date.now,
          log,
        }),
      requestIds: new RequestIds(),
      log,
    }).callback();
    const port = await openPublicPort({ host: '127.0.0.1', port: 0 }, false);
    this.#server = await startServer({ any: app }, port, { ...LIMITS, ...limits });
    this.url = port.url;
    return this;
  }

  put(
    fields: {
      bytes?: Buffer;
      key?: string;
      type?: PictureType;
      rules?: LinkRules;
      expiresAtMs?: number;
      postedAt?: string;
    } = {},
  ): PutImage {
    const { bytes = randomBytes(1_000), type = 'png', rules = {}, expiresAtMs } = fields;
    const { postedAt = POSTED_AT } = fields;
    const { key = randomKeys(1)[0] ?? '' } = fields;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const facts = {
      type,
      width: 8,
      height: 6,
      bytes: bytes.length,
      sha256,
      deleteTokenHash: sha256,
      postedAt,
    };
    const name = blobNameOf(key, sha256);
    this.store.blobs.set(name, bytes);
    this.links.set(key, { longUrl: imageTarget(sha256), expiresAtMs, rules: { ...rules, image: facts } });
    return { key, bytes, facts, name };
  }

  pathOf({ key }: PutImage): string {
    return `${this.url}/images/${key}`;
  }

  async stop(): Promise<void> {
    await this.#server?.drain(0);
  }
}

export const POSTED_AT = '2026-11-28T10:20:30.456Z';
/** The same as `Last-Modified`, which has whole seconds. */
export const MODIFIED = 'Sat, 28 Nov 2026 10:20:30 GMT';

/** Something with the head of a WebP file. */
export function webp(text: string): Buffer {
  const content = Buffer.from(text.length % 2 === 0 ? text : `${text} `);
  const head = Buffer.from('RIFF____WEBPVP8 ____', 'latin1');
  head.writeUInt32LE(content.length + 12, 4);
  head.writeUInt32LE(content.length, 16);
  return Buffer.concat([head, content]);
}
