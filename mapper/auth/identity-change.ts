/** No key of a link has these characters, so the message is none about a link. */
const PREFIX = '!user ';

/**
 * The announcement that the keys or sessions of a user, or what he may do, have changed. It is sent like the
 * announcement of a changed link. A mapper of 0.1.0 forgets a link of this name, which does not exist.
 */
export function formatIdentityChange(userId: bigint): string {
  return PREFIX + String(userId);
}

/** The user whom an announcement is about. Undefined: it is about a link. */
export function parseIdentityChange(message: string): bigint | undefined {
  if (!message.startsWith(PREFIX)) return undefined;
  const id = message.slice(PREFIX.length);
  return /^\d{1,19}$/.test(id) ? BigInt(id) : undefined;
}
