import { send, type Answer } from '../client.ts';

/** A browser without scripts: it keeps its cookies, and sends forms as browsers do. */
export class Visitor {
  readonly #base: () => string;
  cookie: string;

  /** @param base the address of the mapper, when a request needs it */
  constructor(base: () => string, cookie = '') {
    this.#base = base;
    this.cookie = cookie;
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.#send('GET', path, headers);
  }

  /** Sends a form from a page of the service, unless the headers say something else. */
  async post(
    path: string,
    fields: Readonly<Record<string, string>> | readonly (readonly [string, string])[] | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const body =
      typeof fields === 'string' ? fields : new URLSearchParams(fields as Record<string, string>).toString();
    const own = { 'content-type': 'application/x-www-form-urlencoded', origin: this.#base() };
    return this.#send('POST', path, { ...own, ...headers }, body);
  }

  async #send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: string,
  ): Promise<Answer> {
    const host = new URL(this.#base()).host;
    const cookie = this.cookie === '' ? {} : { cookie: this.cookie };
    const all = { host, accept: 'text/html,*/*;q=0.8', ...cookie, ...headers };
    const answer = await send(method, this.#base() + path, {
      headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '')),
      ...(body !== undefined && { body }),
    });
    for (const set of answer.headers['set-cookie'] ?? []) {
      const [pair = ''] = set.split(';');
      this.cookie = pair.endsWith('=') ? '' : pair;
    }
    return answer;
  }
}

/** Where a form leads that was carried out. */
export function placeOf({ status, headers }: Answer): string {
  return status === 303 ? (headers.location ?? '') : `${status} and no other place`;
}
