import { z } from 'zod';
import type { ListedBlock } from '../../db/accounts/domain-blocks.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { cursor, formatCursor, pageLimit, text, time } from './fields.ts';

const MAX_DOMAIN_CHARACTERS = 253;

const blockedDomain = z
  .object({
    domain: z.string().meta({ description: 'with all names below it' }),
    note: z.string().nullable().meta({ description: 'why; null: nobody has said it' }),
    blocked_by: z.object({
      user_id: z.string(),
      email: z.string().nullable().meta({ description: 'null: the account is gone' }),
    }),
    blocked_at: time,
  })
  .meta({ id: 'BlockedDomain' });

function toAnswer({ domain, note, blockedBy, email, blockedAt }: ListedBlock): z.input<typeof blockedDomain> {
  return {
    domain,
    note,
    blocked_by: { user_id: String(blockedBy), email },
    blocked_at: blockedAt.toISOString(),
  };
}

const PHISHING: z.input<typeof blockedDomain> = {
  domain: 'bank-login.example',
  note: 'Phishing, reported by three people.',
  blocked_by: { user_id: '119890573463187456', email: 'ana@example.com' },
  blocked_at: '2026-11-28T02:37:42.402Z',
};

/** The domains that administrators have blocked. */
export const DOMAIN_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/admin/domains',
    name: 'listBlockedDomains',
    group: 'Administration',
    summary: 'List the domains that administrators have blocked, newest first',
    description: 'Those in the file of KEYMILL_BLOCKED_DOMAINS are not among them.',
    access: 'admin',
    query: z.strictObject({ limit: pageLimit, cursor }),
    status: 200,
    answer: z
      .object({ items: z.array(blockedDomain), next_cursor: z.string().nullable() })
      .meta({ id: 'BlockedDomains' }),
    exampleAnswer: { items: [PHISHING], next_cursor: null },
    means: 'A page of domains',
    handle: async ({ domains }, { query: { limit, cursor: before } }) => {
      const { items, next } = await domains.list({ limit, before });
      return { body: { items: items.map(toAnswer), next_cursor: formatCursor(next) } };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/admin/domains',
    name: 'blockDomain',
    group: 'Administration',
    summary: 'Block a domain',
    description:
      'No link may point at it or at a name below it any more, and links that do are not followed: on this mapper now, on the others within two seconds. Of a domain that is blocked, the note, the administrator and the time are replaced.',
    access: 'admin',
    body: z.strictObject({
      domain: text({ min: 1, max: MAX_DOMAIN_CHARACTERS }),
      note: text({ min: 1, max: 1_000 }).nullable().optional().meta({ description: 'why' }),
    }),
    example: { domain: 'bank-login.example', note: 'Phishing, reported by three people.' },
    status: 201,
    answer: blockedDomain,
    exampleAnswer: PHISHING,
    means: 'The domain is blocked',
    handle: async ({ domains }, { identity, body: { domain, note } }) => ({
      body: toAnswer(await domains.block(identity, domain, note ?? null)),
    }),
  }),
  endpoint({
    method: 'DELETE',
    path: '/admin/domains/{domain}',
    name: 'unblockDomain',
    group: 'Administration',
    summary: 'Let a domain go that an administrator has blocked',
    access: 'admin',
    params: z.object({ domain: z.string() }),
    status: 204,
    means: 'It is not in the list any more',
    problems: ['not-found'],
    handle: async ({ domains }, { identity, params }) => {
      await domains.unblock(identity, params.domain);
      return { body: undefined };
    },
  }),
];
