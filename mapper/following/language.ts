/** More ranges than any browser sends. Those behind are not looked at. */
const MAX_RANGES = 100;

/**
 * `*` is left out: for a look-up it means whatever the server takes by itself (RFC 4647, 3.4). A weight that
 * is none makes its range one that nobody has sent.
 */
const RANGE = /^([a-z]{1,8}(?:-[a-z0-9]{1,8})*)(?:;q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/;

/**
 * Old names of languages that some systems still send (BCP 47 deprecates them). The tags of targets have the
 * new ones.
 */
const OLD_NAMES: Readonly<Record<string, string>> = { iw: 'he', in: 'id', ji: 'yi', jw: 'jv', mo: 'ro' };

/** A language range of `Accept-Language`, in lower case. */
export interface LanguageRange {
  readonly range: string;
  /** From 0, not acceptable, to 1. */
  readonly weight: number;
}

/** The ranges of `Accept-Language` (RFC 9110, 12.5.4), the most wanted first. */
export function parseLanguages(header: string | undefined): LanguageRange[] {
  const ranges = (header ?? '')
    .toLowerCase()
    .split(',', MAX_RANGES)
    .flatMap((text) => {
      const [, range, weight = '1'] = RANGE.exec(text.replaceAll(/[ \t]/g, '')) ?? [];
      return range === undefined ? [] : [{ range: withNewName(range), weight: Number(weight) }];
    });
  return ranges.toSorted((a, b) => b.weight - a.weight);
}

function withNewName(range: string): string {
  const [language = '', ...subtags] = range.split('-');
  return [OLD_NAMES[language] ?? language, ...subtags].join('-');
}

/**
 * The tag that fits a visitor best, by the look-up of RFC 4647, 3.4: the first of his ranges that is one of
 * the tags, or becomes one when subtags are taken away at its end. `de-AT` finds `de`, and `de` does not find
 * `de-AT`. A range that he does not accept is not found in this way either.
 *
 * @param ranges the most wanted first
 * @returns a tag in lower case; undefined: none fits
 */
export function bestLanguage(ranges: readonly LanguageRange[], tags: readonly string[]): string | undefined {
  const offered = new Set(tags.map((tag) => tag.toLowerCase()));
  const refused = new Set(ranges.flatMap(({ range, weight }) => (weight === 0 ? [range] : [])));
  for (const { range, weight } of ranges) {
    if (weight === 0) return undefined;
    let tried: string | undefined = range;
    while (tried !== undefined && !refused.has(tried)) {
      if (offered.has(tried)) return tried;
      tried = shorter(tried);
    }
  }
  return undefined;
}

/** Without the last subtag, and without a single character before it, which only introduces it. */
function shorter(range: string): string | undefined {
  const subtags = range.split('-').slice(0, -1);
  if (subtags.at(-1)?.length === 1) subtags.pop();
  return subtags.length === 0 ? undefined : subtags.join('-');
}
