import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ListQuestion } from '../../db/own-links/list-links.ts';
import type { ListPosition } from '../../db/own-links/own-link.ts';
import type { ScanQuestion } from '../../db/own-links/scan-links.ts';

/** Bytes of the code that authenticates a cursor. */
const CODE_BYTES = 16;
const TIME_BYTES = 8;

/**
 * Cursors: places in a list as text that callers keep for us. Each carries a code over the place, the owner
 * and the question, so that one that was made up, is another owner's, or belongs to another question is
 * noticed. It reveals nothing that the list does not contain.
 */
export class Cursors {
  readonly #secret: Buffer;

  /** @param secret shared by all mappers of a cluster */
  constructor(secret: string) {
    this.#secret = createHmac('sha256', secret).update('keymill: cursors of lists').digest();
  }

  /** @param question the owner and everything that chooses links, in a form that is equal for equal ones */
  seal(question: string, { createdAt, key }: ListPosition): string {
    const place = Buffer.alloc(TIME_BYTES + Buffer.byteLength(key));
    place.writeBigInt64BE(BigInt(createdAt.getTime()));
    place.write(key, TIME_BYTES);
    return Buffer.concat([this.#codeOf(question, place), place]).toString('base64url');
  }

  /** Undefined when the text is no cursor for this question. */
  open(question: string, cursor: string): ListPosition | undefined {
    const bytes = Buffer.from(cursor, 'base64url');
    // A second spelling of the same bytes is made up too.
    if (bytes.length < CODE_BYTES + TIME_BYTES || bytes.toString('base64url') !== cursor) return undefined;
    const [code, place] = [bytes.subarray(0, CODE_BYTES), bytes.subarray(CODE_BYTES)];
    if (!timingSafeEqual(code, this.#codeOf(question, place))) return undefined;
    return {
      createdAt: new Date(Number(place.readBigInt64BE())),
      key: place.toString('utf8', TIME_BYTES),
    };
  }

  #codeOf(question: string, place: Buffer): Buffer {
    const code = createHmac('sha256', this.#secret).update(`${question.length}:${question}`).update(place);
    return code.digest().subarray(0, CODE_BYTES);
  }
}

/** A question as a text that is equal for equal questions. */
export function textOf({ userId, state, q = '', tag, from, to, host }: ListQuestion): string {
  const times = [from?.getTime() ?? null, to?.getTime() ?? null];
  return JSON.stringify([
    `${userId}`,
    state,
    q,
    tag ?? null,
    ...times,
    ...(host === undefined ? [] : [host]),
  ]);
}

/** Like {@link textOf}, for the links of all owners. */
export function textOfScan({ key, state, q = '', host, from, to }: ScanQuestion): string {
  const times = [from?.getTime() ?? null, to?.getTime() ?? null];
  return JSON.stringify(['all links', key ?? null, state, q, host ?? null, ...times]);
}
