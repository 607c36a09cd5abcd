/**
 * How a parameter of a prepared statement is sent: as an unsigned number of 8 or 64 bits, a text, bytes, or a
 * time in UTC.
 */
export type ParameterType = 'byte' | 'long' | 'text' | 'bytes' | 'time';

/** The protocol's numbers of the types (`MYSQL_TYPE_…`), each with its flags: 0x80 is unsigned. */
const TYPE_CODES: Readonly<Record<ParameterType, readonly [number, number]>> = {
  byte: [0x01, 0x80],
  long: [0x08, 0x80],
  text: [0xfd, 0],
  bytes: [0xfc, 0],
  time: [0x0c, 0],
};

const COM_STMT_EXECUTE = 0x17;
const STATEMENT_AT = 5;
const ITERATIONS_AT = 10;
const NULLS_AT = 14;
/** The length of a value is one byte up to this, and otherwise a mark and two or three bytes. */
const MAX_SHORT = 250;
/** The bytes of the length of a value, at most: no value has 16 MB. */
const LENGTH_BYTES = 4;
const TIME_BYTES = 11;

/** Bytes of `text` in a packet, at most. */
export function roomFor(text: string): number {
  return LENGTH_BYTES + Buffer.byteLength(text);
}

/** The same for bytes and a time that are given to a packet. */
export const ROOM_FOR_BYTES_16 = 1 + 16;
export const ROOM_FOR_LONG = 8;
export const ROOM_FOR_TIME = 1 + TIME_BYTES;

/**
 * Makes the packets that execute a prepared statement, in the binary protocol of MySQL and MariaDB
 * (COM_STMT_EXECUTE). The values are given one after the other, in the order of the parameters; none is NULL.
 * The driver would make five objects and a function for each value.
 */
export class ExecutePacket {
  /** All that stands before the values. */
  readonly #head: Buffer;
  #bytes: Buffer;
  #at = 0;
  #lastTime: Date | undefined;
  #lastTimeAt = 0;

  constructor(types: readonly ParameterType[]) {
    const codes = types.flatMap((type) => TYPE_CODES[type]);
    const head = Buffer.alloc(NULLS_AT);
    head[4] = COM_STMT_EXECUTE;
    head.writeUInt32LE(1, ITERATIONS_AT);
    const nulls = Buffer.alloc(Math.ceil(types.length / 8));
    const hasTypes = [1];
    this.#head = Buffer.concat([head, nulls, Buffer.from(hasTypes), Buffer.from(codes)]);
    this.#bytes = this.#head;
  }

  /** @param room the bytes of all values, at most */
  begin(statementId: number, room: number): void {
    const bytes = Buffer.allocUnsafe(this.#head.length + room);
    this.#at = this.#head.copy(bytes);
    bytes.writeUInt32LE(statementId, STATEMENT_AT);
    this.#bytes = bytes;
    this.#lastTime = undefined;
  }

  byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  long(value: bigint): void {
    this.#at = this.#bytes.writeBigUInt64LE(value, this.#at);
  }

  text(text: string): void {
    const length = Buffer.byteLength(text);
    this.#length(length);
    this.#at += this.#bytes.write(text, this.#at, length, 'utf8');
  }

  /** Bytes as hex digits. */
  hex(digits: string): void {
    this.#length(digits.length / 2);
    this.#at += this.#bytes.write(digits, this.#at, 'hex');
  }

  /** In UTC, to the millisecond. The rows of one statement share a few dates. */
  time(date: Date): void {
    const at = this.#at;
    const bytes = this.#bytes;
    if (date === this.#lastTime) bytes.copyWithin(at, this.#lastTimeAt, this.#lastTimeAt + 1 + TIME_BYTES);
    else {
      bytes[at] = TIME_BYTES;
      bytes.writeUInt16LE(date.getUTCFullYear(), at + 1);
      bytes[at + 3] = date.getUTCMonth() + 1;
      bytes[at + 4] = date.getUTCDate();
      bytes[at + 5] = date.getUTCHours();
      bytes[at + 6] = date.getUTCMinutes();
      bytes[at + 7] = date.getUTCSeconds();
      bytes.writeUInt32LE(date.getUTCMilliseconds() * 1_000, at + 8);
      this.#lastTime = date;
      this.#lastTimeAt = at;
    }
    this.#at = at + 1 + TIME_BYTES;
  }

  /** The packet, with its header. It is the first one of its command. */
  end(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#at);
    this.#bytes = this.#head;
    bytes.writeUIntLE(bytes.length - 4, 0, 3);
    bytes[3] = 0;
    return bytes;
  }

  #length(length: number): void {
    const bytes = this.#bytes;
    if (length <= MAX_SHORT) bytes[this.#at++] = length;
    else if (length < 2 ** 16) {
      bytes[this.#at] = 0xfc;
      this.#at = bytes.writeUInt16LE(length, this.#at + 1);
    } else {
      bytes[this.#at] = 0xfd;
      this.#at = bytes.writeUIntLE(length, this.#at + 1, 3);
    }
  }
}
