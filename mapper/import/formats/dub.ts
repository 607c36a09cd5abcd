import type { Format } from './format.ts';

/** Dub: the links that its dashboard exports. A person chooses the columns; these two are always there. */
export const dub: Format = {
  name: 'dub',
  source: 'csv',
  marks: [['shortlink', 'destinationurl']],
  fields: {
    short_url: ['shortlink'],
    long_url: ['destinationurl'],
    created_at: ['createdat'],
    expiration_date: ['expiresat'],
    title: ['title'],
    tags: ['tags'],
    visits: ['clicks'],
  },
  hasFormulaQuotes: true,
};
