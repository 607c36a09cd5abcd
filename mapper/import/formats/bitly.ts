import type { Fields } from '../record.ts';
import type { FindValue, Format } from './format.ts';

/** Bitly: what `GET /v4/groups/{group}/bitlinks` answers. A link may have several codes. */
export const bitly: Format = {
  name: 'bitly',
  source: 'json',
  marks: [
    ['link', 'custombitlinks'],
    ['link', 'longurl', 'deeplinks'],
  ],
  fields: {
    long_url: ['longurl'],
    created_at: ['createdat'],
    title: ['title'],
    tags: ['tags'],
  },
  redundant: ['id', 'link', 'custombitlinks'],
  readCodes: (find) => [...new Set([...textsOf(find, 'custombitlinks'), ...textsOf(find, 'link')])],
  findMissingPages: ({ pagination }) => {
    const next = isFields(pagination) ? pagination['next'] : undefined;
    return typeof next === 'string' && next !== ''
      ? 'the file is one page of a longer list; ask Bitly for the page that "next" names'
      : undefined;
  },
};

function textsOf(find: FindValue, name: string): string[] {
  const value = find(name);
  return (Array.isArray(value) ? value : [value]).filter((text) => typeof text === 'string');
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
