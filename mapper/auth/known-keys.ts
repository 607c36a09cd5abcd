import { flat } from '../../runtime/flat-text.ts';
import { parseCredential, type Credential } from './credential.ts';
import { nameOf, type Identities, type Identity } from './identities.ts';

interface KnownKey {
  readonly credential: Credential;
  readonly name: string;
}

/** A key has one spelling of this form, so it takes one place. */
const USUAL_FORM = /^Bearer \S/;

/** As many as identities are remembered. */
const MAX_KNOWN = 10_000;

/**
 * API keys in use, by the text of `Authorization`. Only keys that were identified are in it. To parse and
 * hash a key takes 5 µs, a tenth of what a shorten takes this process.
 */
export class KnownKeys {
  readonly #identities: Pick<Identities, 'tryIdentify' | 'identify'>;
  readonly #known = new Map<string, KnownKey>();
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
    const known = this.#known.get(authorization);
    if (known === undefined) return this.#meet(authorization);
    const identity = this.#identities.tryIdentify(known.credential, known.name);
    // The text is a secret, and is kept no longer than needed.
    if (identity === undefined) this.#known.delete(authorization);
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

  #meet(authorization: string): Identity | undefined {
    const credential = parseCredential({ authorization }, '');
    if (credential.kind !== 'key') return undefined;
    const name = nameOf(credential);
    const identity = this.#identities.tryIdentify(credential, name);
    if (identity === undefined || !USUAL_FORM.test(authorization)) return identity;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= this.#maxKnown && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(flat(authorization), { credential, name });
    return identity;
  }
}
