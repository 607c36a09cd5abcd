import { DamagedBlobError } from '../../db/blobs/blob-errors.ts';

/** A blob was damaged a moment ago. It is in the log already, and was not read again. */
export class KnownDamageError extends DamagedBlobError {
  constructor(blob: string) {
    super(blob, 'it was a moment ago');
  }
}
