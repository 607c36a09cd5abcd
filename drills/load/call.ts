import { request, type Agent, type IncomingMessage } from 'node:http';

/** An answer, or the reason why there is none. */
export type CallResult =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: IncomingMessage['headers'];
      readonly body: string;
    }
  /** There was no connection, so nothing was sent. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The connection ended before the answer was complete. `reused`: it was a kept-alive one. */
  | { readonly kind: 'closed'; readonly reused: boolean; readonly reason: string }
  | { readonly kind: 'timeout' };

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

export interface CallOptions {
  readonly agent: Agent;
  readonly timeoutMs: number;
  readonly method?: Method;
  readonly json?: string;
  /** Instead of `json`, with the content type in `headers`. */
  readonly bytes?: Uint8Array;
  /** How the answer becomes a text. Default: `utf8`. `latin1`: one byte a character. */
  readonly encoding?: 'latin1';
  /** Besides those of the body. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends one HTTP request. Never rejects: every failure is a result. */
export async function call(url: string, options: CallOptions): Promise<CallResult> {
  const { agent, timeoutMs, method = 'GET', json, bytes, encoding = 'utf8' } = options;
  const { promise, resolve } = Promise.withResolvers<CallResult>();
  const headers = {
    ...options.headers,
    ...(json !== undefined && {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(json),
    }),
    ...(bytes !== undefined && { 'content-length': bytes.length }),
  };
  const sent = request(url, { agent, method, headers }, (response) => {
    let body = '';
    response.setEncoding(encoding);
    response.on('data', (chunk: string) => {
      body += chunk;
    });
    response.once('end', () =>
      finish({ kind: 'answer', status: response.statusCode ?? 0, headers: response.headers, body }),
    );
    response.once('error', (error) => finish({ kind: 'closed', reused: false, reason: error.message }));
  });
  const timer = setTimeout(() => {
    finish({ kind: 'timeout' });
    sent.destroy();
  }, timeoutMs);
  const finish = (result: CallResult): void => {
    clearTimeout(timer);
    resolve(result);
  };
  sent.once('error', (error: NodeJS.ErrnoException) => {
    const reason = error.code ?? error.message;
    if (error.syscall === 'connect') finish({ kind: 'refused', reason });
    else finish({ kind: 'closed', reused: sent.reusedSocket, reason });
  });
  sent.end(bytes ?? json);
  return promise;
}
