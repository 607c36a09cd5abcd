import { findForeignKey } from '../../db/keyspace/foreign-code.ts';
import { findPreviewed, findTypedKey } from '../../db/keyspace/typed-key.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';

/** The help of an argument that {@link parseKey} reads. */
export const ANY_KEY = 'a key, an alias, the code of another shortener, or a whole short link';

/** The end of the help of a command with such an argument. */
export function helpWithDash(command: string): string {
  return `\nWrite a key that begins with a dash after two dashes: keymill ${command} -- -KEY`;
}

/**
 * Accepts a whole short link too, with or without its scheme and with the text around it, because that is
 * what a person usually has; a preview; and the code of another shortener in any spelling.
 * @throws UsageError
 */
export function parseKey(given: string): string {
  const link = LINK.exec(given)?.[1];
  const text = link ?? given.trim();
  const meant = findPreviewed(text) ?? text;
  const key = KEY.test(meant) ? meant : (findForeignKey(meant) ?? findTypedKey(meant));
  if (key !== undefined) return key;
  throw new UsageError(
    `"${given}" is not a key: a key is 3 to 64 of A-Z a-z 0-9 - _, or the code of another shortener`,
  );
}

/** Without its scheme it needs a host with a dot or a port: `team/plan` is a code. */
const LINK =
  /(?:https?:\/\/[\w.:[\]-]+|(?:^|[\s"'(<])(?:[\w-]+\.[\w.-]+(?::\d+)?|[\w-]+:\d+|localhost))\/([^\s?#]+)/i;

const KEY = /^[A-Za-z0-9_-]{3,64}$/;
