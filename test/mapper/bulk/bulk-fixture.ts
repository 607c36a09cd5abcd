import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import type { Answer } from '../client.ts';
import type { ApiClient, CallOptions } from '../api/api-client.ts';

export const NDJSON = 'application/x-ndjson';

/** What became of one item. */
export interface ItemAnswer {
  readonly index: number;
  readonly status: number;
  readonly unique_id?: string;
  readonly link?: Readonly<Record<string, unknown>>;
  readonly problem?: {
    readonly type: string;
    readonly status: number;
    readonly detail: string;
    readonly errors?: readonly { readonly field: string; readonly reason: string }[];
  };
}

type Sender = Pick<CallOptions, 'key' | 'cookie'>;

/** `POST /urls/bulk` with lines. An item is sent as JSON, a text or bytes as they are. */
export async function sendLines(
  api: ApiClient,
  sender: Sender,
  items: readonly (object | string | Buffer)[],
): Promise<{ answer: Answer; items: ItemAnswer[] }> {
  const lines = items.map((item) =>
    Buffer.isBuffer(item) ? item : Buffer.from(typeof item === 'string' ? item : JSON.stringify(item)),
  );
  const body = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
  const answer = await api.call('POST', '/urls/bulk', {
    ...sender,
    body,
    headers: { 'content-type': NDJSON },
  });
  return { answer, items: answer.status === 200 ? parseLines(answer.text) : [] };
}

/** A request whose body is sent in chunks, and what has arrived of its answer. */
export interface BegunBulk {
  readonly socket: Socket;
  readonly received: () => string;
  readonly closed: Promise<void>;
}

/** Begins a `POST /urls/bulk` with lines. @param url of the mapper */
export async function beginBulk(url: string, headers: Readonly<Record<string, string>>): Promise<BegunBulk> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(
    `POST /urls/bulk HTTP/1.1\r\nHost: x\r\n${fields.join('')}Content-Type: ${NDJSON}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  return { socket, received: () => text, closed };
}

/** A chunk of such a body. */
export function toChunk(some: readonly object[]): string {
  const text = some.map((item) => `${JSON.stringify(item)}\n`).join('');
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

/** `POST /urls/bulk` with one document. */
export async function sendDocument(
  api: ApiClient,
  sender: Sender,
  body: object | string,
): Promise<{ answer: Answer; items: ItemAnswer[] }> {
  const answer = await api.call('POST', '/urls/bulk', { ...sender, body });
  return { answer, items: answer.status === 200 ? itemsOf(answer) : [] };
}

export function itemsOf(answer: Answer): ItemAnswer[] {
  return answer.json()['items'] as ItemAnswer[];
}

export function parseLines(text: string): ItemAnswer[] {
  expect(text === '' || text.endsWith('\n')).to.equal(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ItemAnswer);
}

/** Asserts that the answers are those of `count` items, in order. @returns the keys of the links */
export function expectAllMade(items: readonly ItemAnswer[], count: number): string[] {
  expect(items.map(({ index }) => index)).to.deep.equal(Array.from({ length: count }, (_, index) => index));
  const failed = items.filter(({ status }) => status !== 201);
  expect(failed, JSON.stringify(failed.slice(0, 3))).to.have.lengthOf(0);
  const keys = items.map(({ link }) => String(link?.['unique_id']));
  expect(new Set(keys).size).to.equal(count);
  return keys;
}

export function kindOf({ problem }: ItemAnswer): string | undefined {
  return problem?.type.replace('urn:keymill:problem:', '');
}
