import { codeOf } from '../../runtime/errors.ts';
import { StoreUnavailableError } from '../store-errors.ts';
import { BLOB_STORE, BlobRefusedError } from './blob-errors.ts';

/** What an operator must know about the errors of a disk. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'its disk is full',
  EDQUOT: 'its quota is used up',
  EACCES: 'we have no right to use its directory',
  EPERM: 'we have no right to use its directory',
  EROFS: 'its file system is read-only',
  EIO: 'its disk reports an error',
  ESTALE: 'its network file system was replaced',
  EMFILE: 'this process has too many open files',
  ENFILE: 'this machine has too many open files',
  ENOTDIR: 'a file is in the place of a directory',
};

/** The whole store is affected, and every call costs time. */
const AWAY = ['ESTALE', 'ETIMEDOUT', 'EHOSTDOWN', 'ENOTCONN'];

export function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error));
}

/** An error of the file system as an error of the store; any other error as it is. */
export function fromDisk(step: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error;
  const code = codeOf(error);
  const reason = `${REASONS[code] ?? 'its disk refuses'} (${code}, ${step})`;
  return AWAY.includes(code)
    ? new StoreUnavailableError(BLOB_STORE, reason, error)
    : new BlobRefusedError(BLOB_STORE, reason, error);
}
