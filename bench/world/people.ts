import { openUsersDb } from '../../db/accounts/users-db.ts';
import { cookieNameFor } from '../../mapper/auth/credential.ts';
import { createToken } from '../../mapper/auth/secrets.ts';
import type { Person } from '../load/people-main.ts';
import { TARGET } from '../load/requests.ts';
import { makeOwners, NO_PASSWORD } from './owners.ts';
import type { PrivateCluster } from './private-cluster.ts';

/** Some pages of a list. */
const LINKS = 120;
const AN_HOUR_MS = 3_600_000;

/**
 * People who are signed in, each with links that have titles and tags.
 * @param url of a mapper, which makes the links
 */
export async function makePeople(cluster: PrivateCluster, url: string, count: number): Promise<Person[]> {
  const { ids, keys } = await makeOwners(cluster, count, ['links:write']);
  const cookieName = cookieNameFor(url);
  const db = openUsersDb({ url: cluster.file.usersDb.url });
  const people: Person[] = [];
  try {
    for (const [index, userId] of ids.entries()) {
      const { text, hash: secretHash } = createToken();
      const createdAt = new Date();
      const expiresAt = new Date(createdAt.getTime() + AN_HOUR_MS);
      await db.sessions.create({ secretHash, userId, createdAt, expiresAt, password: NO_PASSWORD });
      const links = await makeLinks(url, keys[index] ?? '');
      people.push({ cookie: `${cookieName}=${text}`, links });
    }
  } finally {
    await db.close();
  }
  return people;
}

async function makeLinks(url: string, apiKey: string): Promise<string[]> {
  const items = Array.from({ length: LINKS }, (_, index) => ({
    long_url: TARGET,
    title: `Article ${index} of the spring campaign`,
    tags: ['spring', `week ${index % 12}`],
  }));
  const answer = await fetch(`${url}/urls/bulk`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
    body: JSON.stringify({ items }),
  });
  const made = (await answer.json()) as { items?: { link?: { unique_id: string } }[] };
  const links = (made.items ?? []).flatMap(({ link }) => link?.unique_id ?? []);
  if (links.length !== LINKS)
    throw new Error(`${links.length} of ${LINKS} links were made: ${answer.status}`);
  return links;
}
