import type { FindValue, Format } from './format.ts';

/**
 * YOURLS: the table `yourls_url` as phpMyAdmin or mysql write it, and the file of the plugin "Import Export",
 * in which `source` is the path of the short link: `/code/`.
 */
export const yourls: Format = {
  name: 'yourls',
  source: 'csv',
  marks: [
    ['keyword', 'url'],
    ['source', 'target', 'hits'],
  ],
  fields: {
    long_url: ['url', 'target'],
    created_at: ['timestamp'],
    title: ['title'],
    visits: ['clicks', 'hits'],
  },
  redundant: ['keyword', 'source'],
  nullWord: 'NULL',
  readCodes: (find) => [textOf(find, 'keyword') ?? textOf(find, 'source')?.replace(/^\/|\/$/g, '') ?? ''],
};

function textOf(find: FindValue, name: string): string | undefined {
  const value = find(name);
  return typeof value === 'string' ? value : undefined;
}
