import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';

/** What makes two requests the same one, or tells them apart. */
export interface ReservationIdentity {
  /** 64 hex digits. Requests with equal hashes share a reservation. */
  readonly hash: string;
  /**
   * 64 hex digits, of the body. The first two name the method; the fingerprints of another one are not
   * compared.
   */
  readonly fingerprint: string;
}

/** The fields of a request, as they were given. */
export type Fields = Readonly<Record<string, unknown>>;

/** null: anonymous. All anonymous callers are one owner. */
export type ReservationOwner = bigint | null;

/**
 * How bodies become canonical. Change it with the algorithm: then a reservation of an older program is not
 * mistaken for one of another body.
 */
const METHOD = 1;

/**
 * The body of a request without `find_if_exists`, before defaults: RFC 8785 behind one byte that names the
 * method.
 */
export function canonicalBody(fields: Fields): Buffer {
  const { find_if_exists: _, ...others } = fields;
  return Buffer.from(`${String.fromCharCode(METHOD)}${canonicalJson(others)}`);
}

/**
 * A request with `find_if_exists`: the same for all requests of an owner with the same fields. (With the
 * target alone, a link asked for without an expiry was answered by one that expires in a minute.)
 *
 * @param longUrl the `href` of the target, so that its spelling does not count
 */
export function dedupeIdentity(
  owner: ReservationOwner,
  fields: Fields,
  longUrl: string,
): ReservationIdentity {
  const body = canonicalBody({ ...fields, long_url: longUrl });
  return { hash: hashOf('dedupe', ownerText(owner), body), fingerprint: fingerprintOf(body) };
}

/**
 * A request with an `Idempotency-Key`. Anonymous callers share keys such as "1", so for them the body counts
 * too: another body is another request.
 *
 * @param idempotencyKey the header; `index` is the place of an item in a bulk request, which has one key for
 *   all
 */
export function idempotencyIdentity(
  owner: ReservationOwner,
  { idempotencyKey, index }: { readonly idempotencyKey: string; readonly index?: number },
  fields: Fields,
): ReservationIdentity {
  const body = canonicalBody(fields);
  const place = index === undefined ? '' : `${index}`;
  const parts = ['idempotency', ownerText(owner), idempotencyKey, place];
  return {
    hash: owner === null ? hashOf(...parts, body) : hashOf(...parts),
    fingerprint: fingerprintOf(body),
  };
}

/** Whether both are certainly of different bodies. Those of different methods say nothing. */
export function isOtherBody(fingerprint: string, other: string): boolean {
  return fingerprint !== other && fingerprint.slice(0, 2) === other.slice(0, 2);
}

function ownerText(owner: ReservationOwner): string {
  return owner === null ? '' : `${owner}`;
}

/** The length of each part is hashed before it, so that no two lists of parts are hashed alike. */
function hashOf(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(part));
    hash.update(length).update(part);
  }
  return hash.digest('hex');
}

function fingerprintOf(body: Buffer): string {
  const digest = createHash('sha256').update(body).digest('hex');
  return body.toString('hex', 0, 1) + digest.slice(2);
}
