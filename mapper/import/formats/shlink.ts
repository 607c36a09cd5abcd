import type { Format } from './format.ts';

/** Shlink: what its web client exports, and the table of its importer ("Standard CSV"). */
export const shlink: Format = {
  name: 'shlink',
  source: 'csv',
  marks: [['longurl', 'shortcode']],
  fields: {
    code: ['shortcode'],
    short_url: ['shorturl'],
    domain: ['domain'],
    long_url: ['longurl'],
    created_at: ['createdat', 'datecreated'],
    title: ['title'],
    tags: ['tags'],
    visits: ['visits', 'visitscount'],
  },
  tagSeparator: '|',
};
