import type { World } from '../world.ts';

/** The fields of rules, but for the password. */
export const RULES = {
  valid_from: '2030-01-01T00:00:00.000Z',
  redirect_type: 308,
  forward_query: true,
  max_visits: 3,
  expired_url: 'https://example.com/over',
  noindex: true,
  targets: [
    { when: { device: ['ios'], country: ['DE'] }, long_url: 'https://example.com/ios' },
    { when: { language: ['pt-BR'] }, long_url: 'https://example.com/pt' },
  ],
};
/** What a link without rules says in their place. */
export const NO_RULES = {
  valid_from: null,
  redirect_type: 302,
  forward_query: false,
  max_visits: null,
  visits_left: null,
  has_password: false,
  expired_url: null,
  noindex: false,
  targets: [],
};

/** A link as it is stored. */
export interface StoredRow {
  readonly original_url: string | null;
  readonly ruled_url: string | null;
  readonly rules: string | null;
  readonly visits_left: number | null;
  readonly user_id: string | null;
  readonly owned: number;
}

/** The row of a link, and how many rows its owner's list has for it. */
export async function rowOf(world: World, key: string): Promise<StoredRow> {
  for (const { sql } of world.urls) {
    const [rows] = await sql.query(
      `SELECT original_url, ruled_url, rules, visits_left, user_id,
         (SELECT COUNT(*) FROM owned o WHERE o.unique_id = u.unique_id) AS owned
       FROM urls u WHERE unique_id = ?`,
      [key],
    );
    const [row] = rows as StoredRow[];
    if (row !== undefined) return row;
  }
  throw new Error(`no link ${key}`);
}
