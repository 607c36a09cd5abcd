import {
  ExecutePacket,
  roomFor,
  ROOM_FOR_BYTES_16,
  ROOM_FOR_TIME,
  type ParameterType,
} from '../mysql/execute-packet.ts';
import { byPrimaryKey, COLUMNS } from './link-insert.ts';
import type { LinkRow } from './link.ts';

/** Of {@link COLUMNS}. */
const TYPES: readonly ParameterType[] = ['byte', 'text', 'text', 'time', 'bytes'];
const ROOM_FOR_SLOT = 1;

/** The INSERT of a number of rows, as a prepared statement. */
export class PreparedInsert {
  readonly sql: string;
  readonly #packet: ExecutePacket;

  constructor(rows: number) {
    const row = `(${TYPES.map(() => '?').join(',')})`;
    this.sql = `INSERT INTO urls (${COLUMNS}) VALUES ${Array<string>(rows).fill(row).join(',')}`;
    this.#packet = new ExecutePacket(Array.from({ length: rows }, () => TYPES).flat());
  }

  /**
   * The packet that executes it.
   * @param rows so many as it has, none with a value in a rare column. They are sent in the order of the
   * primary key, like those of `toInsert`
   */
  toPacket(statementId: number, rows: readonly LinkRow[]): Buffer {
    const packet = this.#packet;
    let room = 0;
    for (const { key, longUrl } of rows)
      room += ROOM_FOR_SLOT + roomFor(key) + roomFor(longUrl) + ROOM_FOR_TIME + ROOM_FOR_BYTES_16;
    packet.begin(statementId, room);
    for (const { slot, key, longUrl, createdAt, requestId } of rows.toSorted(byPrimaryKey)) {
      packet.byte(slot);
      packet.text(key);
      packet.text(longUrl);
      packet.time(createdAt);
      packet.hex(requestId);
    }
    return packet.end();
  }
}
