import type { DriverError } from './mysql-errors.ts';

/** What a command uses of the driver's connection. The driver's types name only a part of it. */
export interface CommandConnection {
  readonly clientEncoding: string;
  /** Of the next packet. A command begins with 0. */
  sequenceId: number;
  compressedSequenceId: number;
  writePacket(packet: OutgoingPacket): void;
}

interface OutgoingPacket {
  readonly buffer: Buffer;
  length(): number;
  writeHeader(sequenceId: number): void;
}

/** A packet of the server. It is only valid during the call that gets it. */
export interface Answer {
  readonly buffer: Buffer;
  /** Where it begins in the buffer, with its header. */
  readonly start: number;
  isError(): boolean;
  /** Whether it ends the columns, or the rows. */
  isEOF(): boolean;
  asError(encoding: string): DriverError;
}

/**
 * One write by a prepared statement, in the form of the driver's commands: the driver calls `execute` when
 * the command begins, and then with each packet of the server. The answer to an INSERT is one packet, and all
 * that we must know of it is whether it is an error.
 *
 * The driver's own command takes twice as long: it emits four events, and parses what nobody reads.
 */
export class WriteCommand {
  /** The driver calls it too: when the connection is lost. */
  readonly onResult: (error: DriverError | null) => void;
  readonly #packet: Buffer;
  #isSent = false;

  /** @param packet whole, with its header */
  constructor(packet: Buffer, onResult: (error: DriverError | null) => void) {
    this.#packet = packet;
    this.onResult = onResult;
  }

  /** @returns whether the command has ended */
  execute(answer: Answer | undefined, connection: CommandConnection): boolean {
    if (!this.#isSent || answer === undefined) {
      this.#isSent = true;
      sendPacket(connection, this.#packet);
      return false;
    }
    if (answer.isError()) this.onResult(answer.asError(connection.clientEncoding));
    // Like the driver: what the caller throws must not count as a fault of the connection.
    else process.nextTick(this.onResult, null);
    return true;
  }
}

/** Sends the packet with which a command begins. */
export function sendPacket(connection: CommandConnection, buffer: Buffer): void {
  connection.sequenceId = 0;
  connection.compressedSequenceId = 0;
  connection.writePacket({ buffer, length: () => buffer.length, writeHeader: () => undefined });
}
