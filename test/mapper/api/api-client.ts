import { ApiDocument } from './document.ts';
import { send, type Answer } from '../client.ts';

export interface CallOptions {
  /** An object is sent as JSON; a text or bytes as they are. */
  readonly body?: object | string | Buffer;
  /** An API key. */
  readonly key?: string;
  /** The cookie of a session: `name=value`. */
  readonly cookie?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls the API of a mapper. Every answer is checked against the OpenAPI document. */
export class ApiClient {
  readonly #base: () => string;
  readonly document: ApiDocument;

  /** @param base the address of the mapper, when a call needs it */
  constructor(base: () => string, document = new ApiDocument()) {
    this.#base = base;
    this.document = document;
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { body, key, cookie, headers = {} } = options;
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
    const bytes = body === undefined ? undefined : isRaw ? body : JSON.stringify(body);
    const answer = await send(method, this.#base() + path, {
      headers: {
        // Node states no length for the body of a DELETE.
        ...(bytes !== undefined && {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(bytes)),
        }),
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(cookie !== undefined && { cookie }),
        ...headers,
      },
      ...(bytes !== undefined && { body: bytes }),
    });
    this.document.check(method, path, answer);
    return answer;
  }
}

/** The cookie that an answer sets, as a request sends it. */
export function cookieOf(answer: Answer): string {
  const [cookie = ''] = answer.headers['set-cookie'] ?? [];
  return cookie.split(';')[0] ?? '';
}

/** The last part of a problem's type. */
export function problemKind(answer: Answer): string {
  return String(answer.json()['type']).replace('urn:keymill:problem:', '');
}
