import type { ProblemKind } from './problem.ts';

/** What a page says: what has happened, and what to do about it. */
interface Said {
  readonly title: string;
  /** Absent: the detail of the problem document. */
  readonly text?: string;
  readonly wayOut?: string;
}

const ASK = 'Ask whoever gave you the link for another one.';
const WAIT = 'Try again in a few seconds.';

/**
 * Everything that those read who follow links. Another language is another object of this form. Pages say
 * the detail of a problem themselves where the text is missing here: it depends on the request.
 */
export const VISITOR_TEXTS = {
  problems: {
    'unknown-key': {
      title: 'There is no such link',
      text: 'Nobody has made a link with this address, or it was mistyped.',
      wayOut: 'Compare it letter by letter: small and capital letters differ.',
    },
    'not-found': { title: 'There is nothing here', wayOut: 'Compare the address letter by letter.' },
    'no-images': { title: 'There is nothing here' },
    'link-expired': { title: 'This link has expired', text: 'This link has expired.', wayOut: ASK },
    'link-deleted': { title: 'This link is gone', text: 'This link was deleted.', wayOut: ASK },
    'link-disabled': {
      title: 'This link is switched off',
      text: 'This link is switched off. Its owner may switch it on again.',
      wayOut: ASK,
    },
    'link-blocked': {
      title: 'This link is blocked',
      text: 'This link is blocked. An administrator of this service has stopped it, because it may do harm.',
      wayOut: 'If you own it, sign in: its page says why.',
    },
    'link-unusable': {
      title: 'This link leads nowhere',
      text: 'The target of this link is unusable.',
      wayOut: ASK,
    },
    'link-used-up': { title: 'This link is used up', wayOut: ASK },
    'wrong-link-password': { title: 'This link has a password' },
    'too-many-requests': { title: 'Too many requests', wayOut: 'Wait a minute, then try again.' },
    'store-down': { title: 'Not just now', wayOut: `The link is not lost. ${WAIT}` },
    'visit-unknown': { title: 'Not just now', wayOut: 'Try again: the link may have a visit left.' },
    overloaded: { title: 'Too much at once', wayOut: WAIT },
    'not-prefetched': { title: 'Not opened ahead', wayOut: 'Follow the link when you want to go there.' },
    'no-accounts': { title: 'Not just now', wayOut: WAIT },
  } satisfies Partial<Record<ProblemKind, Said>> as Readonly<Partial<Record<string, Said>>>,
  password: {
    title: 'This link has a password',
    hint: 'Whoever gave you the link knows it.',
    label: 'Password',
    open: 'Open the link',
    wrong: 'That was not the password. Try again.',
  },
  preview: {
    title: 'Where this link leads',
    leads: 'leads to',
    shows: 'shows a picture, which is at',
    hiddenBefore: 'Where',
    hiddenAfter: 'leads is shown only to those who follow it.',
    password: 'It asks for a password.',
    visits: 'It can be followed a limited number of times.',
    follow: 'Follow the short link',
  },
  reset: {
    title: 'Choose a password',
    account: 'Account',
    label: 'New password',
    hint: 'At least 10 characters, and not a common one.',
    submit: 'Change the password',
    doneTitle: 'The password has changed',
    doneBefore: 'It is the new password of',
    doneText: 'All sessions of this account have ended, so sign in again. Its API keys go on.',
    signIn: 'Sign in',
    badTitle: 'This link is not valid',
    badText: 'It is used already, too old, or made up. A link is valid once, for an hour.',
    badWayOut: 'Ask the operator of this service for a new one.',
  },
  image: { untitled: 'Untitled picture', whole: 'The whole picture', original: 'Open the original' },
} as const;
