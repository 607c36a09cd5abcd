import type { Format } from './format.ts';

/** Bookmarks of a browser or a reading list. They have no codes. */
export const bookmarks: Format = {
  name: 'bookmarks',
  source: 'bookmarks',
  marks: [],
  fields: {
    long_url: ['href'],
    created_at: ['adddate'],
    title: ['title'],
    tags: ['tags'],
  },
  zeroMeansNone: ['created_at'],
  tagSeparator: ',',
};
