import type { ServerResponse } from 'node:http';
import type { Context } from 'koa';

/** Stands for a header's value that differs from answer to answer. */
export const VARIES = null;

/** Status line and headers of an answer, for whoever writes it. */
export interface Head {
  /** @param ending what follows the last header, from its line break on */
  toText(ending: string, first: string, second: string, third?: string): string;
  /** Through Node. @throws when Node refuses a value */
  write(response: ServerResponse, ...values: readonly (string | undefined)[]): void;
}

type Header = readonly [name: string, value: string | typeof VARIES];

/**
 * Status line and headers of one kind of answer, described once and written in three ways: as text, through
 * Node and through Koa. All three send the same headers in the same order.
 *
 * Two or three values vary. They are passed in the order of their headers. `toText` takes no array, because
 * it is on the hot path.
 */
export class AnswerHead implements Head {
  readonly #status: number;
  readonly #headers: readonly Header[];
  /** The constant text around the values that vary. */
  readonly #before: string;
  readonly #between: string;
  readonly #after: string;
  readonly #end: string;
  readonly #hasThird: boolean;
  /** The constant text behind the last value that varies, with the newest ending. */
  #tail = '';
  #ending: string | undefined;
  /** Names and values in turn. `writeHead` keeps no reference to it, so one array serves all answers. */
  readonly #flat: string[];
  readonly #places: readonly number[];

  /**
   * @param reason of the status line: "Found"
   * @throws RangeError unless two or three values vary: `toText` writes no others
   */
  constructor(status: number, reason: string, headers: readonly Header[]) {
    this.#status = status;
    this.#headers = headers;
    const lines = headers.map(([name, value]) => `\r\n${name}: ${value ?? '\0'}`);
    const [before = '', between = '', after = '', end = ''] =
      `HTTP/1.1 ${status} ${reason}${lines.join('')}`.split('\0');
    this.#before = before;
    this.#between = between;
    this.#after = after;
    this.#end = end;
    this.#flat = headers.flatMap(([name, value]) => [name, value ?? '']);
    this.#places = headers.flatMap(([, value], index) => (value === VARIES ? [2 * index + 1] : []));
    if (this.#places.length < 2 || this.#places.length > 3)
      throw new RangeError(`${this.#places.length} values of a ${status} vary, not two or three`);
    this.#hasThird = this.#places.length === 3;
  }

  /**
   * The values are not checked. The fewer parts, the faster: V8 copies them together when they are written.
   * @param ending what follows the last header, from its line break on. Nearly always the same text as before
   */
  toText(ending: string, first: string, second: string, third = ''): string {
    if (ending !== this.#ending) {
      this.#ending = ending;
      this.#tail = (this.#hasThird ? this.#end : this.#after) + ending;
    }
    const text = this.#before + first + this.#between + second;
    return this.#hasThird ? text + this.#after + third + this.#tail : text + this.#tail;
  }

  /** Through Node, which adds the headers of the connection. @throws when Node refuses a value */
  write(response: ServerResponse, ...values: readonly (string | undefined)[]): void {
    this.#place(values);
    response.writeHead(this.#status, this.#flat);
  }

  /** With more headers behind the first. @param more names and values in turn */
  writeWith(
    response: ServerResponse,
    more: readonly string[],
    values: readonly (string | undefined)[],
  ): void {
    this.#place(values);
    const [name = '', value = '', ...rest] = this.#flat;
    response.writeHead(this.#status, [name, value, ...more, ...rest]);
  }

  #place(values: readonly (string | undefined)[]): void {
    for (const [index, place] of this.#places.entries()) this.#flat[place] = values[index] ?? '';
  }

  /** Through Koa. @param body undefined: the answer has none */
  setOn(ctx: Context, body: string | undefined, ...values: readonly string[]): void {
    // Setting a null body removes the headers of a body; setting a text adds only those that are missing.
    if (body === undefined) ctx.body = null;
    ctx.status = this.#status;
    let varying = 0;
    for (const [name, value] of this.#headers) ctx.set(name, value ?? values[varying++] ?? '');
    if (body !== undefined) ctx.body = body;
  }
}
