import type { WholeLink } from '../shorten/whole-link.ts';

/* The fields of the targets of a link that are for some visitors only: `targets.0.country`. */

type Target = WholeLink['targets'][number];

/** A link may have 20. One further row of a form is looked at, so that its fault is named. */
const MAX_ROWS = 21;

export function valuesOfTargets(targets: readonly Target[]): Record<string, string | readonly string[]> {
  const entries = targets.flatMap(({ when, long_url: longUrl }, at) => [
    [`targets.${at}.when.device`, when.device ?? []],
    [`targets.${at}.when.country`, (when.country ?? []).join(', ')],
    [`targets.${at}.when.language`, (when.language ?? []).join(', ')],
    [`targets.${at}.long_url`, longUrl],
  ]);
  return Object.fromEntries(entries) as Record<string, string | readonly string[]>;
}

/**
 * The rows of a form in which something is filled in. Rows that are left empty are no targets, and the others
 * get the numbers that faults name.
 */
export function readTargets(form: URLSearchParams): Target[] {
  return Array.from({ length: MAX_ROWS }, (_, at) => {
    const text = (name: string): string => (form.get(`targets.${at}.${name}`) ?? '').trim();
    return {
      longUrl: text('long_url'),
      device: [...form.getAll(`targets.${at}.when.device`)],
      country: wordsOf(text('when.country')),
      language: wordsOf(text('when.language')),
    };
  })
    .filter(
      ({ longUrl, ...lists }) => longUrl !== '' || Object.values(lists).some(({ length }) => length > 0),
    )
    .map(({ longUrl, device, country, language }) => ({
      when: {
        ...(device.length > 0 && { device }),
        ...(country.length > 0 && { country }),
        ...(language.length > 0 && { language }),
      },
      long_url: longUrl,
    }));
}

/** How many rows a form shows: those that are filled in, and an empty one. */
export function rowsToShow(form: URLSearchParams): number {
  return Math.min(MAX_ROWS - 1, readTargets(form).length + 1);
}

/** What was typed, with the rows that are filled in first, in the order of the numbers that faults name. */
export function withRowsInOrder(form: URLSearchParams): URLSearchParams {
  const ordered = new URLSearchParams([...form].filter(([name]) => !name.startsWith('targets.')));
  for (const [name, value] of Object.entries(valuesOfTargets(readTargets(form))))
    for (const one of typeof value === 'string' ? [value] : value) ordered.append(name, one);
  return ordered;
}

function wordsOf(text: string): string[] {
  return text.split(/[\s,;]+/).filter((word) => word !== '');
}
