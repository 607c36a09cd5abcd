import type { UsersDb } from '../../db/accounts/users-db.ts';
import { createToken } from './secrets.ts';

const VALID_MS = 3_600_000;

/** The path of the page on which a user chooses a password, without the token. */
export const PASSWORD_PAGE = '/users/reset';

export interface PasswordLink {
  readonly path: string;
  readonly token: string;
  readonly validUntil: Date;
}

/**
 * Lets a user choose a password: once, within an hour. Earlier links of the user end.
 * @throws StoreUnavailableError, OutcomeUnknownError
 */
export async function createPasswordLink(
  { resets }: Pick<UsersDb, 'resets'>,
  userId: bigint,
): Promise<PasswordLink> {
  const { text: token, hash } = createToken();
  const now = new Date();
  const validUntil = new Date(now.getTime() + VALID_MS);
  await resets.create(hash, userId, now, validUntil);
  return { path: `${PASSWORD_PAGE}?token=${token}`, token, validUntil };
}
