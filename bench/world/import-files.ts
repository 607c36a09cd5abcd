import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { slotOf } from '../../db/keyspace/placement.ts';

/** The tables into which an import writes, and how `LOAD DATA` reads the file of each. */
export const TABLES = [
  {
    name: 'urls',
    columns:
      '(slot, unique_id, original_url, created_at, @request, user_id, alias, title) SET request_id = UNHEX(@request)',
  },
  { name: 'owned', columns: '(user_id, created_at, unique_id, slot, @hash) SET target_hash = UNHEX(@hash)' },
  { name: 'link_tags', columns: '(user_id, created_at, unique_id, slot, tag)' },
  { name: 'click_totals', columns: '(slot, unique_id, humans, bots)' },
] as const;

/** The same rows as a file for `keymill import`, and as one for each table. */
export interface ImportFiles {
  readonly csv: string;
  /** By the name of the table. */
  readonly tables: Readonly<Record<(typeof TABLES)[number]['name'], string>>;
}

/** Codes differ between the file for the command and the tables, so that both can be stored. */
export async function writeImportFiles(
  folder: string,
  {
    rows,
    number,
    ownerId,
    keys,
  }: {
    readonly rows: number;
    readonly number: number;
    readonly ownerId: bigint;
    readonly keys: readonly string[];
  },
): Promise<ImportFiles> {
  await mkdir(folder, { recursive: true });
  const lines: Record<'csv' | (typeof TABLES)[number]['name'], string[]> = {
    csv: ['long_url,unique_id,title,tags,created_at,humans'],
    urls: [],
    owned: [],
    link_tags: [],
    click_totals: [],
  };
  for (let i = 0; i < rows; i += 1) {
    const link = linkAt(number, i);
    const { target, title, tags, humans, code } = link;
    lines.csv.push(`${target},${code ?? ''},${title},${tags.join('|')},${link.createdAt}Z,${humans || ''}`);
    const key = code === undefined ? (keys[(i - 1) / 2] ?? '') : `load-${code}`;
    const slot = slotOf(key);
    const createdAt = link.createdAt.replace('T', ' ');
    const place = `${ownerId}\t${createdAt}\t${key}\t${slot}`;
    const alias = code === undefined ? 0 : 1;
    const request = randomBytes(16).toString('hex');
    lines.urls.push(`${slot}\t${key}\t${target}\t${createdAt}\t${request}\t${ownerId}\t${alias}\t${title}`);
    const hash = createHash('sha256').update(target).digest('hex').slice(0, 32);
    lines.owned.push(`${place}\t${hash}`);
    for (const tag of tags) lines.link_tags.push(`${place}\t${tag}`);
    if (humans > 0) lines.click_totals.push(`${slot}\t${key}\t${humans}\t0`);
  }
  const write = async (name: keyof typeof lines): Promise<string> => {
    const path = join(folder, `${name}.txt`);
    await writeFile(path, `${lines[name].join('\n')}\n`);
    return path;
  };
  return {
    csv: await write('csv'),
    tables: {
      urls: await write('urls'),
      owned: await write('owned'),
      link_tags: await write('link_tags'),
      click_totals: await write('click_totals'),
    },
  };
}

/** Half of the links have a code, a third has tags, a quarter visits. */
function linkAt(file: number, i: number) {
  const day = String((i % 28) + 1).padStart(2, '0');
  return {
    target: `https://shop${i % 977}.example.com/${file}/articles/${i}?utm_source=newsletter&ref=${i % 31}`,
    code: i % 2 === 0 ? `c${file}-${(i * 7_919).toString(36)}` : undefined,
    title: `Article ${i} of the shop`,
    tags: i % 3 === 0 ? [`season-${i % 12}`, 'newsletter'] : [],
    createdAt: `2023-${String((i % 12) + 1).padStart(2, '0')}-${day}T10:20:${String(i % 60).padStart(2, '0')}.000`,
    humans: i % 4 === 0 ? (i % 5_000) + 1 : 0,
  };
}
