import { flat } from '../../runtime/flat-text.ts';
import { parseCredential, type Credential } from './credential.ts';
import { nameOf, type Identities, type Identity } from './identities.ts';

interface KnownKey {
  /** The text of `Authorization`. */
  readonly authorization: string;
  readonly credential: Credential;
  readonly name: string;
}

/** A key has one spelling of this form, so it takes one place. */
const USUAL_FORM = /^Bearer \S/;

/** As many as identities are remembered. */
const MAX_KNOWN = 10_000;

/**
 * API keys in use, found by the text of `Authorization`. Only keys that were identified are in it. To parse
 * and hash a key takes 5 µs, a tenth of what a shorten takes this process.
 *
 * A table of texts would take 0.4 µs to find one that is a part of a request, for which V8 keeps a table of
 * its own. Here each text has a place in a table of numbers, where the last of several that share it stays.
 */
export class KnownKeys {
  readonly #identities: Pick<Identities, 'tryIdentify' | 'identify'>;
  readonly #known = new Map<number, KnownKey>();
  readonly #maxKnown: number;

  constructor(identities: Pick<Identities, 'tryIdentify' | 'identify'>, maxKnown = MAX_KNOWN) {
    this.#identities = identities;
    this.#maxKnown = maxKnown;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Who sent a request with a key, from memory alone, like {@link Identities.tryIdentify}. */
  tryIdentify(authorization: string): Identity | undefined {
    const place = placeOf(authorization);
    const known = this.#known.get(place);
    if (known?.authorization !== authorization) return this.#meet(authorization, place);
    const identity = this.#identities.tryIdentify(known.credential, known.name);
    // The text is a secret, and is kept no longer than needed.
    if (identity === undefined) this.#known.delete(place);
    return identity;
  }

  /**
   * Who sent a request with a key that memory does not know, or not any more: it is read.
   * @param client address of who sent it; undefined: it has no limits
   * @returns undefined when it is no key, or nobody can say who has it; the promise never rejects
   */
  identify(authorization: string, client?: string): Promise<Identity | undefined> | undefined {
    const credential = parseCredential({ authorization }, '');
    if (credential.kind !== 'key') return undefined;
    return this.#identities.identify(credential, client).catch(() => undefined);
  }

  #meet(authorization: string, place: number): Identity | undefined {
    const credential = parseCredential({ authorization }, '');
    if (credential.kind !== 'key') return undefined;
    const name = nameOf(credential);
    const identity = this.#identities.tryIdentify(credential, name);
    if (identity === undefined || !USUAL_FORM.test(authorization)) return identity;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= this.#maxKnown && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(place, { authorization: flat(authorization), credential, name });
    return identity;
  }
}

/** By all characters: a key that begins like one in use is not compared with it, which would take longer. */
function placeOf(authorization: string): number {
  let place = 0;
  for (let at = 0; at < authorization.length; at += 1)
    place = (Math.imul(place, 67) + authorization.charCodeAt(at)) & 0x3fffffff;
  return place;
}
