import { isUtf8 } from 'node:buffer';

export type Encoding = 'UTF-8' | 'UTF-16LE' | 'UTF-16BE';

/** The file is not in the encoding that its first bytes promise. Says where, so that a person finds it. */
export class WrongByteError extends Error {
  readonly encoding: Encoding;
  /** Of the first byte of the first sequence that is wrong, from 0. */
  readonly offset: number;

  constructor(encoding: Encoding, offset: number) {
    super(`byte ${offset} is no ${encoding}`);
    this.encoding = encoding;
    this.offset = offset;
  }
}

/** The marks with which a file may begin. All other files are UTF-8. */
const BYTE_ORDER_MARKS: readonly (readonly [encoding: Encoding, mark: Buffer])[] = [
  ['UTF-8', Buffer.from([0xef, 0xbb, 0xbf])],
  ['UTF-16LE', Buffer.from([0xff, 0xfe])],
  ['UTF-16BE', Buffer.from([0xfe, 0xff])],
];

const LONGEST_MARK = 3;
const PIECE_BYTES = 65_536;

/** Turns the bytes of a file into text, however they are cut into chunks. Holds back at most 3 bytes. */
export class TextDecoding {
  /** Undefined until the first 3 bytes are here. */
  encoding: Encoding | undefined;
  #pending: Buffer = Buffer.alloc(0);
  /** Of the first byte of `#pending`. */
  #offset = 0;

  /**
   * The text of a chunk, in pieces of 64 KiB at most, without the byte order mark. Before it throws it has
   * yielded all text in front of the wrong byte.
   * @throws {WrongByteError}
   */
  *decode(chunk: Uint8Array): Generator<string> {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES)
      yield* this.#decodePiece(chunk.subarray(at, at + PIECE_BYTES), false);
  }

  /**
   * The rest of the text, at the end of the file.
   * @throws {WrongByteError} also when the file ends in the middle of a character
   */
  *end(): Generator<string> {
    yield* this.#decodePiece(new Uint8Array(), true);
  }

  *#decodePiece(chunk: Uint8Array, isLast: boolean): Generator<string> {
    let bytes: Buffer =
      this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    if (this.encoding === undefined) {
      if (bytes.length < LONGEST_MARK && !isLast) {
        this.#pending = bytes;
        return;
      }
      bytes = this.#cutMark(bytes);
    }
    const end = isLast ? bytes.length : bytes.length - splitAtEnd(bytes, this.encoding ?? 'UTF-8');
    const whole = bytes.subarray(0, end);
    const { text, wrongAt } = decodeWhole(whole, this.encoding ?? 'UTF-8');
    if (text !== '') yield text;
    if (wrongAt !== undefined) throw new WrongByteError(this.encoding ?? 'UTF-8', this.#offset + wrongAt);
    this.#offset += end;
    this.#pending = bytes.subarray(end);
  }

  #cutMark(bytes: Buffer): Buffer {
    const found = BYTE_ORDER_MARKS.find(([, mark]) => bytes.subarray(0, mark.length).equals(mark));
    this.encoding = found?.[0] ?? 'UTF-8';
    const length = found?.[1].length ?? 0;
    this.#offset += length;
    return bytes.subarray(length);
  }
}

interface Decoded {
  readonly text: string;
  /** Where the first wrong sequence begins; `text` ends in front of it. */
  readonly wrongAt?: number;
}

function decodeWhole(bytes: Buffer, encoding: Encoding): Decoded {
  if (encoding === 'UTF-8') return decodeUtf8(bytes);
  const even = bytes.length - (bytes.length % 2);
  const units = encoding === 'UTF-16LE' ? bytes : Buffer.from(bytes.subarray(0, even)).swap16();
  const text = units.toString('utf16le', 0, even);
  const alone = text.isWellFormed() ? -1 : text.search(/\p{Surrogate}/u);
  if (alone >= 0) return { text: text.slice(0, alone), wrongAt: 2 * alone };
  return even === bytes.length ? { text } : { text, wrongAt: even };
}

function decodeUtf8(bytes: Buffer): Decoded {
  const text = bytes.toString();
  if (isUtf8(bytes)) return { text };
  // A wrong sequence is decoded as U+FFFD. One that the file itself contains has its own three bytes.
  const replacement = Buffer.from('\ufffd');
  let wrongAt = 0;
  for (let found = text.indexOf('\ufffd'), from = 0; found >= 0; found = text.indexOf('\ufffd', from)) {
    wrongAt += Buffer.byteLength(text.slice(from, found));
    if (!bytes.subarray(wrongAt, wrongAt + replacement.length).equals(replacement))
      return { text: text.slice(0, found), wrongAt };
    wrongAt += replacement.length;
    from = found + 1;
  }
  return { text, wrongAt };
}

/** How many bytes at the end may be the beginning of a character whose rest is in the next chunk. */
function splitAtEnd(bytes: Buffer, encoding: Encoding): number {
  const { length } = bytes;
  if (encoding !== 'UTF-8') {
    const odd = length % 2;
    const high = bytes[length - odd - (encoding === 'UTF-16LE' ? 1 : 2)] ?? 0;
    return high >= 0xd8 && high <= 0xdb ? odd + 2 : odd;
  }
  for (let back = 1; back <= 3 && back <= length; back += 1) {
    const byte = bytes[length - back] ?? 0;
    if (byte >= 0xc0) return lengthOf(byte) > back ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

/** The bytes of a character, by the first of them. */
function lengthOf(lead: number): number {
  if (lead >= 0xf0) return 4;
  return lead >= 0xe0 ? 3 : 2;
}
