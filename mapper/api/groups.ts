/** The groups of endpoints, in the order of the pages, and what each is for. Markdown. */
export const GROUPS = {
  Links: 'Make links, and look after your own: read, list, change, delete and restore them.',
  Images: 'Pictures as links: post one, and get its URL and a page that shows it.',
  Statistics: 'How often your links were followed, and by whom. No address of a visitor is stored anywhere.',
  Imports: 'Files of links, of other shorteners or of our own export.',
  Tags: 'The tags of your links. A link gets its tags when it is made or changed.',
  Account: 'Sign up, sign in and out, and look after your account.',
  'API keys': 'Keys with which programs prove who they are.',
  Webhooks: 'Addresses of yours that are told what happens to your links.',
  Reports: 'Anybody can report a link that does harm. Administrators read the reports.',
  Administration: 'The links and accounts of everybody. Only for administrators.',
} as const;

/** By which the pages sort an endpoint. */
export type Group = keyof typeof GROUPS;
