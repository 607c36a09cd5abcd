/** First path segments that the service has always used, or planned to, on either port: no link has one. */
const ALWAYS_RESERVED = [
  'urls users images health livez readyz metrics dashboard admin api docs openapi assets static login logout signup',
  'settings stats qr bulk export import robots favicon reserve',
].flatMap((line) => line.split(' '));

/**
 * Reserved since release 0.1.0. A link made before may have one as its alias, and keeps it: a route must not
 * answer a request for such a link.
 */
export const RESERVED_LATER: readonly string[] = [
  'account accounts auth oauth keys tokens tags teams webhooks webhook events search preview sessions session',
  'register password reset verify confirm invite analytics report reports abuse terms privacy status healthz ready',
  'live ping version drain recycle chunks jobs graphql rpc well-known',
].flatMap((line) => line.split(' '));

const RESERVED = [...ALWAYS_RESERVED, ...RESERVED_LATER];

const [ALWAYS_RESERVED_ONE, RESERVED_ONE] = [ALWAYS_RESERVED, RESERVED].map(
  (words) => new RegExp(`^(?:${words.join('|')})(?:\\.|$)`, 'i'),
) as [RegExp, RegExp];

/**
 * Whether the service uses a path segment, in any case and with any extension (`Robots.txt`). No key, and no
 * new alias, may be one.
 */
export function isReserved(segment: string): boolean {
  return RESERVED_ONE.test(segment);
}

/** Whether a path segment has always been reserved, so that no link can have it. */
export function wasAlwaysReserved(segment: string): boolean {
  return ALWAYS_RESERVED_ONE.test(segment);
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

/**
 * A reserved word that is a whole key: with a space, or nothing, on either side. Undefined when no word has
 * the length of a key. Words of other lengths would only slow the search down.
 */
function reservedPattern(length: number): string | undefined {
  const words = RESERVED.filter((word) => word.length === length);
  return words.length === 0 ? undefined : `(?<![^ ])(?:${words.join('|')})(?![^ ])`;
}

/**
 * Positions of the keys that spell a reserved or blocked word, in ascending order. They must not be issued.
 *
 * Searches all keys as one text, which is about 5 times faster than one by one. One by one would cost more
 * than the permutation.
 * @param text keys of `length` characters, a space after each
 */
export function findWords(text: string, length: number): number[] {
  const stride = length + 1;
  const found: number[] = [];
  const reserved = reservedPattern(length);
  const pattern = new RegExp(
    reserved === undefined ? BLOCKED_PATTERN : `${BLOCKED_PATTERN}|${reserved}`,
    'gi',
  );
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const position = Math.floor(match.index / stride);
    found.push(position);
    pattern.lastIndex = (position + 1) * stride;
  }
  return found;
}
