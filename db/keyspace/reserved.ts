/** First path segments that the service uses, or will use, on either port. */
const RESERVED = [
  'urls users images health livez readyz metrics dashboard admin api docs openapi assets static login logout signup',
  'settings stats qr bulk export import robots favicon reserve',
].flatMap((line) => line.split(' '));

/** Tests one segment without a copy, because every key taken from a pool is tested. */
const RESERVED_ONE = new RegExp(`^(?:${RESERVED.join('|')})(?:\\.|$)`, 'i');

/**
 * Whether the service uses a path segment, in any case and with any extension (`Robots.txt`). No key or alias
 * may be one.
 */
export function isReserved(segment: string): boolean {
  return RESERVED_ONE.test(segment);
}

/** Words that no generated key may spell. Users may still choose them as an alias. */
const BLOCKED = [
  'anal anus arse bitch boob cock coon cunt dick dildo dyke fuck fvck jizz kike milf naked nazi nigga nigger nude',
  'paki penis piss poon porn pussy queer rape retard semen sex shit slut spic suck tits turd twat vagina wank whore xxx',
].flatMap((line) => line.split(' '));

/** Characters that look like a letter. Case is ignored as well. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  a: 'a4',
  b: 'b8',
  e: 'e3',
  g: 'g69',
  i: 'i1l',
  l: 'l1i',
  o: 'o0',
  q: 'q9',
  s: 's5z',
  t: 't7',
  u: 'uv',
  v: 'vu',
  z: 'z2s',
};

/** One expression for all words. Words with a common prefix share it. */
function patternFor(words: readonly string[]): string {
  const endings = Map.groupBy(words, (word) => word.charAt(0));
  const branches = [...endings].map(([letter, group]) => {
    const rest = group.map((word) => word.slice(1));
    // A word that ends here matches whatever follows. `-` and `_` between the letters do not hide a word.
    const tail = rest.includes('') ? '' : `[-_]*${patternFor(rest)}`;
    return `[${LOOKALIKES[letter] ?? letter}]${tail}`;
  });
  return branches.length === 1 ? branches.join('') : `(?:${branches.join('|')})`;
}

const BLOCKED_PATTERN = patternFor(BLOCKED);

const BLOCKED_ONE = new RegExp(BLOCKED_PATTERN, 'i');

/** Whether a key contains a blocked word, also with lookalikes or separators. */
export function isBlocked(key: string): boolean {
  return BLOCKED_ONE.test(key);
}

/** A reserved word that is a whole key: with a space, or nothing, on either side. */
const RESERVED_PATTERN = `(?<![^ ])(?:${RESERVED.join('|')})(?![^ ])`;

/**
 * Positions of the keys that must not be issued, in ascending order.
 *
 * Searches all keys as one text, which is about 5 times faster than one by one. One by one would cost more
 * than the permutation.
 * @param text keys of `length` characters, a space after each
 */
export function findUnissuable(text: string, length: number): number[] {
  const stride = length + 1;
  const found: number[] = [];
  const pattern = new RegExp(`${BLOCKED_PATTERN}|${RESERVED_PATTERN}`, 'gi');
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const position = Math.floor(match.index / stride);
    found.push(position);
    pattern.lastIndex = (position + 1) * stride;
  }
  return found;
}
