import { KeymillError } from '../../runtime/errors.ts';

/** A blob is not what its link says: missing, cut off, or other bytes. Only a person can mend it. */
export class DamagedBlobError extends KeymillError {
  /** It was found a moment ago, and is in the log already. */
  readonly isKnown: boolean;

  constructor(name: string, why: string, isKnown = false) {
    super('DAMAGED_BLOB', `blob ${name} ${why}`);
    this.isKnown = isKnown;
  }
}
