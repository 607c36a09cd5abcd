import type { z } from 'zod';
import type { Piece } from '../http/send-stream.ts';

/** A body, of a request or an answer, that is not one JSON object of the usual size. */
export interface DeclaredContent {
  /** What it is, in words for the page, without a full stop. */
  readonly means: string;
  /** Of the JSON; of NDJSON, that of each line. Undefined: it is text or bytes. */
  readonly schema?: z.ZodType;
  /** As the schema has it. */
  readonly example?: unknown;
}

/** By content type, in small letters and without parameters: `application/x-ndjson`. */
export type DeclaredContents = Readonly<Record<string, DeclaredContent>>;

export const NDJSON = 'application/x-ndjson';

/**
 * An answer that is text or bytes, whole or piece by piece. An error in front of the first piece is answered
 * as a problem; a later one cuts the connection, so that no client takes a part for the whole.
 */
export interface ContentReply {
  /** The header: one of the declared types, perhaps with parameters. */
  readonly type: string;
  readonly content: Piece | AsyncIterable<Piece>;
  /** See `SendOptions`. */
  readonly maxUnreadBytes?: number;
  /** When the client must have read it, however fast it is, in monotonic milliseconds. Default: never. */
  readonly endsAtMs?: number;
  /** See `SendOptions`. */
  readonly endsWithClient?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** 304: the client has the answer already. */
export interface NotModified {
  readonly isNotModified: true;
  readonly headers: Readonly<Record<string, string>>;
}
