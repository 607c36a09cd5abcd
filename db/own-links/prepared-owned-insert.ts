import type { PreparedWrite } from '../mysql/dedicated-connection.ts';
import {
  ExecutePacket,
  roomFor,
  ROOM_FOR_BYTES_16,
  ROOM_FOR_LONG,
  ROOM_FOR_TIME,
  type ParameterType,
} from '../mysql/execute-packet.ts';
import { byPrimaryKey } from '../urls/link-insert.ts';
import { targetHashHex } from './own-link.ts';
import { COLUMNS, PLACE_COLUMNS, type OwnedRow } from './owned-insert.ts';

/** A link that its owner has made, and of which nothing else is to be stored. */
export type PlainOwnedRow = OwnedRow & { readonly userId: bigint };

/** Of {@link COLUMNS}. They begin like those of a link without an owner. */
const LINK_TYPES: readonly ParameterType[] = ['byte', 'text', 'text', 'time', 'bytes', 'long'];
/** Of {@link PLACE_COLUMNS}. */
const PLACE_TYPES: readonly ParameterType[] = ['long', 'time', 'text', 'byte', 'bytes'];
/** Of all values but texts, in either of the two. */
const ROOM_FOR_REST = 1 + ROOM_FOR_TIME + ROOM_FOR_BYTES_16 + ROOM_FOR_LONG;

/** The transaction that binds a number of links with an owner, as two prepared statements. */
export class PreparedOwnedInsert {
  readonly #linksSql: string;
  readonly #placesSql: string;
  readonly #links: ExecutePacket;
  readonly #places: ExecutePacket;

  constructor(rows: number) {
    this.#linksSql = `INSERT INTO urls (${COLUMNS}) VALUES ${placeholders(rows, LINK_TYPES.length)}`;
    this.#placesSql = `INSERT INTO owned (${PLACE_COLUMNS}) VALUES ${placeholders(rows, PLACE_TYPES.length)}`;
    this.#links = new ExecutePacket(Array.from({ length: rows }, () => LINK_TYPES).flat());
    this.#places = new ExecutePacket(Array.from({ length: rows }, () => PLACE_TYPES).flat());
  }

  /** @param rows so many as it has. They are sent in the order of the primary key, like those of the text */
  toWrites(rows: readonly PlainOwnedRow[]): PreparedWrite[] {
    const sorted = rows.toSorted(byPrimaryKey);
    return [
      { sql: this.#linksSql, toPacket: (statementId) => this.#toLinks(statementId, sorted) },
      { sql: this.#placesSql, toPacket: (statementId) => this.#toPlaces(statementId, sorted) },
    ];
  }

  #toLinks(statementId: number, rows: readonly PlainOwnedRow[]): Buffer {
    const packet = this.#links;
    let room = rows.length * ROOM_FOR_REST;
    for (const { key, longUrl } of rows) room += roomFor(key) + roomFor(longUrl);
    packet.begin(statementId, room);
    for (const { slot, key, longUrl, createdAt, requestId, userId } of rows) {
      packet.byte(slot);
      packet.text(key);
      packet.text(longUrl);
      packet.time(createdAt);
      packet.hex(requestId);
      packet.long(userId);
    }
    return packet.end();
  }

  #toPlaces(statementId: number, rows: readonly PlainOwnedRow[]): Buffer {
    const packet = this.#places;
    let room = rows.length * ROOM_FOR_REST;
    for (const { key } of rows) room += roomFor(key);
    packet.begin(statementId, room);
    for (const { slot, key, longUrl, createdAt, userId } of rows) {
      packet.long(userId);
      packet.time(createdAt);
      packet.text(key);
      packet.byte(slot);
      packet.hex(targetHashHex(longUrl));
    }
    return packet.end();
  }
}

function placeholders(rows: number, columns: number): string {
  const row = `(${Array<string>(columns).fill('?').join(',')})`;
  return Array<string>(rows).fill(row).join(',');
}
