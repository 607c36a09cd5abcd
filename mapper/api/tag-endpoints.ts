import { z } from 'zod';
import { tag } from '../shorten/own-fields.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { pageQuery } from './link-fields.ts';

const tagAnswer = z
  .object({ tag: z.string(), links: z.int().meta({ description: 'without deleted ones' }) })
  .meta({ id: 'Tag' });

export const TAG_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/users/me/tags',
    name: 'listTags',
    group: 'Tags',
    summary: 'List the tags of your links, in the order of their characters',
    access: 'links:read',
    query: z.strictObject(pageQuery),
    status: 200,
    answer: z.object({ items: z.array(tagAnswer), next_cursor: z.string().nullable() }).meta({ id: 'Tags' }),
    exampleAnswer: { items: [{ tag: 'greetings', links: 3 }], next_cursor: null },
    means: 'One page of tags',
    problems: ['store-down'],
    handle: async ({ links }, { identity, query }) => ({ body: await links.listTags(identity, query) }),
  }),
  endpoint({
    method: 'PATCH',
    path: '/users/me/tags/{tag}',
    name: 'renameTag',
    group: 'Tags',
    summary: 'Rename a tag of all your links',
    description:
      'If there are links with the new tag already, the two tags become one. Each link changes its version. A rename of very many links ends after some seconds with `is_done: false`: repeat it.',
    access: 'links:write',
    params: z.object({ tag }),
    body: z.strictObject({ tag }),
    example: { tag: 'welcome' },
    status: 200,
    answer: z
      .object({
        tag: z.string(),
        links: z.int().meta({ description: 'how many links were changed' }),
        is_done: z.boolean(),
      })
      .meta({ id: 'RenamedTag' }),
    exampleAnswer: { tag: 'welcome', links: 3, is_done: true },
    means: 'The new tag',
    problems: ['not-found', 'store-down'],
    handle: async ({ links }, { identity, params, body }) => {
      const { links: count, isDone } = await links.renameTag(identity, params.tag, body.tag);
      return { body: { tag: body.tag, links: count, is_done: isDone } };
    },
  }),
];
