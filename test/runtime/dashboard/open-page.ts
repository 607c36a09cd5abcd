import { get } from 'node:http';
import { AS_OPERATOR } from '../../admin-token.ts';

/** A page that is open in a browser, as far as its script goes: it replaces elements by their id. */
export interface OpenPage extends AsyncDisposable {
  /** False once the server has ended the stream. */
  readonly isOpen: boolean;
  /** What was said aloud. */
  readonly news: readonly string[];
  /** Bytes of all patches. */
  readonly bytes: number;
  /** The newest HTML of an element: its own, or that in its block. Empty: there is none. */
  textOf(id: string): string;
}

/** Opens the stream of events of a dashboard. @throws when it is refused */
export async function openPage(admin: string): Promise<OpenPage> {
  const elements = new Map<string, string>();
  const news: string[] = [];
  let isOpen = true;
  let bytes = 0;
  let rest = '';
  const { promise: opened, resolve, reject } = Promise.withResolvers<void>();
  const take = (event: string): void => {
    const name = /^event: (\w+)$/m.exec(event)?.[1];
    const data = /^data: (.*)$/m.exec(event)?.[1] ?? 'null';
    if (name === 'news') news.push(...(JSON.parse(data) as string[]));
    if (name !== 'patch') return;
    for (const [id, html] of Object.entries(JSON.parse(data) as Record<string, string>)) {
      elements.delete(id);
      elements.set(id, html);
    }
  };
  const request = get(`${admin}/dashboard/events`, { agent: false, headers: AS_OPERATOR }, (response) => {
    if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
    resolve();
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      bytes += text.length;
      const events = (rest + text).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) take(event);
    });
    response.on('error', () => undefined);
    response.once('close', () => {
      isOpen = false;
    });
  });
  request.on('error', reject);
  await opened;
  return {
    get isOpen() {
      return isOpen;
    },
    get bytes() {
      return bytes;
    },
    news,
    textOf: (id) => {
      // What came last counts: the element alone, or its whole block.
      const found = [...elements].findLast(([known, html]) => known === id || html.includes(`id="${id}"`));
      if (found === undefined || found[0] === id) return found?.[1] ?? '';
      const from = found[1].indexOf(`id="${id}"`);
      return found[1].slice(from, found[1].indexOf('</tr>', from));
    },
    [Symbol.asyncDispose]: async () => {
      request.destroy();
    },
  };
}
