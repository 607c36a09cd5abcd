import type { Problem } from './problem.ts';
import type { Reply } from './reply.ts';

/** What the limits say about one request. */
export interface Admission {
  /** Where the answer goes: it adds the header fields that say what is left. */
  readonly reply: Reply;
  /** Undefined: the request may go on. */
  readonly refusal: Problem | undefined;
}

/**
 * Counts a request and judges it. Never throws and never rejects.
 * @param keyId of the API key that it has
 */
export type Admit = (reply: Reply, keyId?: string) => Admission | Promise<Admission>;

/** A client who has limits. */
export interface LimitedClient {
  /** Its address, or that of its network. */
  readonly address: string;
  readonly admit: Admit;
}
