import { StoreRefusedError } from '../store-errors.ts';

/**
 * Chooses between prepared statements and the same as text. When the server refuses what it takes as text (it
 * has too many prepared statements, or a proxy loses them), everything is text from then on.
 */
export class PreparedOrText {
  #mayPrepare = true;

  /**
   * @param prepared undefined: what is written is not prepared
   * @throws the errors of a statement
   */
  async write(prepared: (() => Promise<void>) | undefined, text: () => Promise<void>): Promise<void> {
    if (!this.#mayPrepare || prepared === undefined) return text();
    try {
      await prepared();
    } catch (error) {
      // Nothing was written. It may be the fault of a row: then the text is refused too.
      if (!(error instanceof StoreRefusedError)) throw error;
      await text();
      this.#mayPrepare = false;
    }
  }
}
