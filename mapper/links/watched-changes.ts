import type { LinkChange, OwnLink } from '../../db/own-links/own-link.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { OutcomeUnknownError } from '../../db/store-errors.ts';

/** Remembers whether a change may have happened: then mappers must hear of it, whatever the answer is. */
export class WatchedChanges {
  readonly #db: Pick<OwnLinksDb, 'name' | 'find' | 'change'>;
  #mayHaveChanged = false;

  constructor(db: Pick<OwnLinksDb, 'name' | 'find' | 'change'>) {
    this.#db = db;
  }

  get name(): string {
    return this.#db.name;
  }

  get mayHaveChanged(): boolean {
    return this.#mayHaveChanged;
  }

  async find(key: string): Promise<OwnLink | undefined> {
    return this.#db.find(key);
  }

  async change(change: { link: OwnLink; change: LinkChange; changeId: string }): Promise<boolean> {
    try {
      const isChanged = await this.#db.change(change);
      this.#mayHaveChanged ||= isChanged;
      return isChanged;
    } catch (error) {
      this.#mayHaveChanged ||= error instanceof OutcomeUnknownError;
      throw error;
    }
  }
}
