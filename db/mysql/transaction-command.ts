import type { DriverError } from './mysql-errors.ts';
import { sendPacket, type Answer, type CommandConnection } from './write-command.ts';

const COM_QUERY = 0x03;
/** A packet of this command, the first one, with its header. */
const COMMIT = Buffer.concat([Buffer.from([7, 0, 0, 0, COM_QUERY]), Buffer.from('COMMIT')]);

/**
 * A transaction of several writes by prepared statements, in the form of the driver's commands, like
 * `WriteCommand`. Their packets leave in one go, and the server answers them in their order. COMMIT leaves
 * when all of them have succeeded.
 *
 * The connection must be one without autocommit. The server goes on with the next packet after one that has
 * failed, and after a deadlock no transaction is open: with autocommit, what comes next would be permanent.
 * After an error the connection must be closed, which rolls back.
 */
export class TransactionCommand {
  /** The driver calls it too: when the connection is lost. */
  readonly onResult: (error: DriverError | null) => void;
  readonly #packets: readonly Buffer[];
  #isSent = false;
  /** Answers that are still to come: those to the packets, and the one to COMMIT. */
  #toCome: number;

  /** @param packets each whole, with its header */
  constructor(packets: readonly Buffer[], onResult: (error: DriverError | null) => void) {
    this.#packets = packets;
    this.#toCome = packets.length + 1;
    this.onResult = onResult;
  }

  /** @returns whether the command has ended */
  execute(answer: Answer | undefined, connection: CommandConnection): boolean {
    if (!this.#isSent || answer === undefined) {
      this.#isSent = true;
      sendPacket(connection, Buffer.concat(this.#packets));
      return false;
    }
    if (answer.isError()) {
      this.onResult(answer.asError(connection.clientEncoding));
      return true;
    }
    this.#toCome -= 1;
    if (this.#toCome === 0) {
      // Like the driver: what the caller throws must not count as a fault of the connection.
      process.nextTick(this.onResult, null);
      return true;
    }
    if (this.#toCome === 1) sendPacket(connection, COMMIT);
    // Each packet is a command of its own, whose first answer has this number.
    else connection.sequenceId = 1;
    return false;
  }
}
