import { BlockedDomains } from './blocked-domains.ts';

/** Where the domains are kept that administrators have blocked. Both reject while it does not answer. */
export interface DomainSource {
  /** Rises with each change. */
  version(): Promise<bigint>;
  names(): Promise<readonly string[]>;
}

/** The domains that administrators have blocked, as this process remembers them. */
export class StoredDomains {
  readonly #source: DomainSource;
  readonly #onChanged: () => void;
  #domains = new BlockedDomains(new Set());
  #version: bigint | undefined;

  /** @param onChanged what was judged by the list before must be judged again */
  constructor(source: DomainSource, onChanged: () => void) {
    this.#source = source;
    this.#onChanged = onChanged;
  }

  get size(): number {
    return this.#domains.size;
  }

  /** @param host as in `URL.hostname` */
  has(host: string): boolean {
    return this.#domains.has(host);
  }

  /** Reads the list if it has changed. @throws what the source throws; the list before stays in use */
  async read(): Promise<void> {
    // The list is as new as this version, or newer: then it is read once more.
    const version = await this.#source.version();
    if (version === this.#version) return;
    const names = await this.#source.names();
    const wasEmpty = this.#domains.size === 0;
    this.#domains = new BlockedDomains(new Set(names));
    this.#version = version;
    if (names.length > 0 || !wasEmpty) this.#onChanged();
  }
}
