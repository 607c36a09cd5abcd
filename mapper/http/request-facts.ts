import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { toRawHead } from './raw-head.ts';

/** What a request says. Most answers do not depend on it, so it is read only when one does. */
export interface RequestFacts {
  readonly method: string | undefined;
  /** What follows `?` in its target, as it was sent. Undefined: it has no `?`. */
  readonly query: string | undefined;
  /** Its connection. */
  readonly peer: Socket;
  /**
   * A text with all of its header fields, from `headStart` on, for `HeadReader`: it may be read after the
   * answer. It may be long, as others may stand in it too.
   */
  readonly head: string;
  readonly headStart: number;
  /** The value of a header field; several are joined with commas. @param name in lower case */
  header(name: string): string | undefined;
}

/** A request that Node has parsed. */
export function factsOf(request: IncomingMessage): RequestFacts {
  return {
    method: request.method,
    query: queryOf(request.url),
    peer: request.socket,
    get head() {
      return toRawHead(request.rawHeaders);
    },
    headStart: 0,
    header: (name) => headerOf(request, name),
  };
}

/** What follows `?` in a target. A fragment has no place there (RFC 9112, 3.2), and is left out. */
export function queryOf(target = ''): string | undefined {
  const [withoutFragment = ''] = target.split('#', 1);
  const question = withoutFragment.indexOf('?');
  return question < 0 ? undefined : withoutFragment.slice(question + 1);
}

/** @param name in lower case */
export function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return value === undefined ? undefined : String(value);
}
