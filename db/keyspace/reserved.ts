/** First path segments that are, or will be, the service's own, on either port. */
const RESERVED = [
  'urls users images health livez readyz metrics dashboard admin api docs openapi assets static login logout signup',
  'settings stats qr bulk export import robots favicon reserve',
].flatMap((line) => line.split(' '));

/** Asked of every key that is taken from a pool: it copies nothing. */
const RESERVED_ONE = new RegExp(`^(?:${RESERVED.join('|')})(?:\\.|$)`, 'i');

/** Whether a path segment is the service's own, whatever its case and with or without an ending (`Robots.txt`). Neither key nor alias may be one. */
export function isReserved(segment: string): boolean {
  return RESERVED_ONE.test(segment);
}

/** What no generated key shall seem to say. People may still choose such an alias themselves. */
const BLOCKED = [
  'anal anus arse bitch boob cock coon cunt dick dildo dyke fuck fvck jizz kike milf naked nazi nigga nigger nude',
  'paki penis piss poon porn pussy queer rape retard semen sex shit slut spic suck tits turd twat vagina wank whore xxx',
].flatMap((line) => line.split(' '));

/** Characters that read like a letter; case is ignored besides. */
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

/** One expression for all words; those with a common beginning share it. */
function patternFor(words: readonly string[]): string {
  const endings = Map.groupBy(words, (word) => word.charAt(0));
  const branches = [...endings].map(([letter, group]) => {
    const rest = group.map((word) => word.slice(1));
    // A word that ends here makes whatever follows irrelevant. `-` and `_` between the letters do not hide a word.
    const tail = rest.includes('') ? '' : `[-_]*${patternFor(rest)}`;
    return `[${LOOKALIKES[letter] ?? letter}]${tail}`;
  });
  return branches.length === 1 ? branches.join('') : `(?:${branches.join('|')})`;
}

const BLOCKED_PATTERN = patternFor(BLOCKED);

const BLOCKED_ONE = new RegExp(BLOCKED_PATTERN, 'i');

/** Whether a key contains a blocked word, lookalikes and separators included. */
export function isBlocked(key: string): boolean {
  return BLOCKED_ONE.test(key);
}

/** A reserved word that is a whole key: a space, or nothing, on either side. */
const RESERVED_PATTERN = `(?<![^ ])(?:${RESERVED.join('|')})(?![^ ])`;

/**
 * Positions of the keys that must not be issued, in ascending order.
 *
 * All keys are searched as one text: some 5 times faster than one by one, which would cost more than the permutation.
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
