import type { DriverError } from './mysql-errors.ts';
import { sendPacket, type Answer, type CommandConnection } from './write-command.ts';

/** What a column of a prepared statement has: text, or a time in UTC. */
export type ColumnKind = 'text' | 'time';

/** Its values, in the order of the columns. */
export type ReadRow = readonly (string | Date | null)[];

/** A packet begins with its header. */
const HEADER_BYTES = 4;
/** The first bits of the map of NULLs mean nothing (in the binary protocol). */
const SPARE_BITS = 2;

/**
 * One read by a prepared statement, in the form of the driver's commands, like `WriteCommand`. The caller
 * knows the columns, so what the server says about them is passed over. The driver's own command would make
 * an object of each, find the parser that it has made for them, and emit three events.
 */
export class ReadCommand {
  /** The driver calls it too: when the connection is lost. */
  readonly onResult: (error: DriverError | null, rows?: readonly ReadRow[]) => void;
  readonly #packet: Buffer;
  readonly #kinds: readonly ColumnKind[];
  readonly #rows: ReadRow[] = [];
  #isSent = false;
  /** Packets that come before the first row: how many columns, each of these, and their end. */
  #toSkip: number;

  /** @param packet whole, with its header */
  constructor(packet: Buffer, kinds: readonly ColumnKind[], onResult: ReadCommand['onResult']) {
    this.#packet = packet;
    this.#kinds = kinds;
    this.#toSkip = kinds.length + 2;
    this.onResult = onResult;
  }

  /** @returns whether the command has ended */
  execute(answer: Answer | undefined, connection: CommandConnection): boolean {
    if (!this.#isSent || answer === undefined) {
      this.#isSent = true;
      sendPacket(connection, this.#packet);
      return false;
    }
    if (answer.isError()) {
      this.onResult(answer.asError(connection.clientEncoding));
      return true;
    }
    if (this.#toSkip > 0) {
      this.#toSkip -= 1;
      return false;
    }
    if (!answer.isEOF()) {
      this.#rows.push(parseRow(answer, this.#kinds));
      return false;
    }
    process.nextTick(this.onResult, null, this.#rows);
    return true;
  }
}

/** A row of the binary protocol: a byte, the map of NULLs, and the values. */
function parseRow({ buffer, start }: Answer, kinds: readonly ColumnKind[]): ReadRow {
  const nullsAt = start + HEADER_BYTES + 1;
  let at = nullsAt + Math.ceil((kinds.length + SPARE_BITS) / 8);
  return kinds.map((kind, index) => {
    const bit = index + SPARE_BITS;
    if (((buffer[nullsAt + (bit >> 3)] ?? 0) & (1 << (bit & 7))) !== 0) return null;
    let length = buffer[at++] ?? 0;
    if (length === 0xfc) {
      length = buffer.readUInt16LE(at);
      at += 2;
    } else if (length === 0xfd) {
      length = buffer.readUIntLE(at, 3);
      at += 3;
    }
    const from = at;
    at += length;
    return kind === 'text' ? buffer.toString('utf8', from, at) : parseTime(buffer.subarray(from, at));
  });
}

/** Parts at its end that are 0 are left out. */
function parseTime(bytes: Buffer): Date {
  const [, , month = 1, day = 1, hour = 0, minute = 0, second = 0] = bytes;
  const ms = bytes.length > 7 ? bytes.readUInt32LE(7) / 1_000 : 0;
  return new Date(Date.UTC(bytes.readUInt16LE(0), month - 1, day, hour, minute, second, ms));
}
