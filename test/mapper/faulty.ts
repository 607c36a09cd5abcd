import { FaultyProxy } from '../../drills/proxy/proxy.ts';

/** A store's URL that leads through a proxy of its own. */
export interface Proxied {
  readonly name: string;
  readonly url: string;
  readonly proxy: FaultyProxy;
}

/** Puts a proxy in front of a store. Stop it after the mapper. */
export async function viaProxy<T extends { name: string; url: string }>(store: T): Promise<T & Proxied> {
  const direct = new URL(store.url);
  const proxy = await FaultyProxy.start({ host: direct.hostname, port: Number(direct.port) });
  const url = store.url.replace(`@${direct.host}/`, `@127.0.0.1:${proxy.port}/`);
  return { ...store, url, proxy };
}

/** A transaction, as our stores send it: all of it in one piece. */
export function isTransaction(sent: Buffer): boolean {
  return sent.toString('latin1', 5, 22) === 'START TRANSACTION';
}

/**
 * Whether the server binds links with an owner, or with rules, when it does `sent`: a transaction as text, or
 * the COMMIT of one that is prepared. The proof that the server takes such links begins in the same way.
 */
export function bindsOwned(sent: Buffer): boolean {
  const text = sent.toString('latin1', 5);
  return text === 'COMMIT' || text.startsWith('START TRANSACTION;\nINSERT INTO urls (slot, unique_id');
}

/**
 * The transaction of an import that binds links. Mappers prove by transactions too that servers take links:
 * under load so often that a count of all of them comes to its end before an import has begun.
 */
export function isBindingOfImport(sent: Buffer): boolean {
  return isTransaction(sent) && !sent.includes('DELETE FROM urls WHERE');
}

/** Counts how often servers are asked for a text, through `wires` and until these heal. */
export class Asked {
  #text = '';
  #times = 0;

  constructor(wires: readonly FaultyProxy[]) {
    for (const wire of wires) {
      wire.cutBeforeReplyTo((sent) => {
        if (sent.includes(this.#text)) this.#times += 1;
        return false;
      });
    }
  }

  /** How often they are asked for `text` while `work` is done: polls do not count. */
  async countOf(text: string, work: () => Promise<unknown>): Promise<number> {
    this.#text = text;
    this.#times = 0;
    await work();
    return this.#times;
  }
}
