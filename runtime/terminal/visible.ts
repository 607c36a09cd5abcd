const CONTROL = /\p{Cc}/gu;

/**
 * The text with its control characters written as `\x1b`. A terminal obeys such characters, and much that we
 * print was written by others: targets, nodes of foreign programs in ZooKeeper, messages of servers.
 * @param except characters that stay
 */
export function visible(text: string, except = ''): string {
  return text.replace(CONTROL, (character) =>
    except.includes(character) ? character : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
