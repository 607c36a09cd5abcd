import type { Refusal } from './sources/shortening.ts';

/** How the command line calls the fields of `POST /urls`. */
const NAMES: Readonly<Record<string, string>> = {
  long_url: 'the URL',
  custom_alias: '--alias',
  expiration_date: '--expires',
  title: '--title',
  tags: '--tag',
};

/** What would be right, where the service cannot say it: it does not know the command line. */
const REMEDIES: readonly (readonly [field: string, reason: RegExp, remedy: string])[] = [
  ['custom_alias', /^is (taken|reserved)$/, ': choose another'],
  ['expiration_date', /RFC 3339|in the past/, '; or a time from now: 30m, 12h, 7d, 4w'],
  ['title', /send an API key$/, ' in KEYMILL_API_KEY'],
  ['tags', /send an API key$/, ' in KEYMILL_API_KEY'],
];

/** Why no link was made, a line for each field at fault, in the words of the command line. */
export function describeRefusal({ status, errors, detail }: Refusal): string[] {
  if (status === 401 || status === 403) return [`KEYMILL_API_KEY: ${detail}`];
  if (errors.length === 0) return [detail];
  return errors.map(({ field, reason }) => {
    const [name = ''] = field.split('.');
    const remedy = REMEDIES.find(([of, when]) => of === name && when.test(reason))?.[2] ?? '';
    return `${NAMES[name] ?? field} ${reason}${remedy}`.trim();
  });
}
