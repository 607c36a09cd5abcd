import { z } from 'zod';
import type { User } from '../../db/accounts/users.ts';
import { mustBe } from '../http/field-errors.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { email, givenPassword, newPassword, text, time } from './fields.ts';

const name = text({ max: 100 }).nullable().optional();
const NAMES = { first_name: name, middle_name: name, last_name: name };

export const USER_FIELDS = {
  user_id: z.string().meta({ description: 'a number of up to 19 digits', examples: ['118930178047672321'] }),
  email: z.string(),
  first_name: z.string().nullable(),
  middle_name: z.string().nullable(),
  last_name: z.string().nullable(),
  is_admin: z.boolean(),
  created_at: time,
  updated_at: time,
};

const userAnswer = z.object(USER_FIELDS).meta({ id: 'User' });

/** A user in an answer. */
export function toUserAnswer(user: User): z.input<typeof userAnswer> {
  return {
    user_id: String(user.id),
    email: user.email,
    first_name: user.firstName,
    middle_name: user.middleName,
    last_name: user.lastName,
    is_admin: user.isAdmin,
    created_at: user.createdAt.toISOString(),
    updated_at: user.updatedAt.toISOString(),
  };
}

const PASSWORD = 'a good long password';
/** A user in examples. */
export const ANA: z.input<typeof userAnswer> = {
  user_id: '119890573463187456',
  email: 'ana@example.com',
  first_name: 'Ana',
  middle_name: null,
  last_name: null,
  is_admin: false,
  created_at: '2026-11-28T02:37:42.402Z',
  updated_at: '2026-11-28T02:37:42.402Z',
};
const CREDENTIALS = { email: 'ana@example.com', password: PASSWORD };

export const ACCOUNT_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/users',
    name: 'signUp',
    group: 'Account',
    summary: 'Make an account',
    description: 'Only where KEYMILL_SIGNUP is open. The password must not be one of the common ones.',
    access: 'anyone',
    limit: 'sign-in',
    body: z.strictObject({ email, password: newPassword, ...NAMES }),
    example: { ...CREDENTIALS, first_name: 'Ana' },
    status: 201,
    answer: userAnswer,
    exampleAnswer: ANA,
    means: 'The account',
    problems: ['signup-closed', 'email-taken', 'overloaded', 'no-accounts'],
    handle: async ({ accounts }, { body }) => {
      const user = await accounts.signUp({
        email: body.email,
        password: body.password,
        firstName: body.first_name ?? null,
        middleName: body.middle_name ?? null,
        lastName: body.last_name ?? null,
      });
      return { body: toUserAnswer(user) };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/login',
    name: 'signIn',
    group: 'Account',
    summary: 'Begin a session',
    description:
      'The session is a cookie. It ends 30 days after its last use, and when the password changes.',
    access: 'anyone',
    limit: 'sign-in',
    body: z.strictObject({ email, password: givenPassword }),
    example: CREDENTIALS,
    status: 200,
    answer: userAnswer,
    exampleAnswer: ANA,
    means: 'The account, with the cookie of the session',
    problems: ['wrong-password', 'account-disabled', 'overloaded', 'no-accounts'],
    handle: async ({ accounts }, { body }) => {
      const { user, session } = await accounts.signIn(body.email, body.password);
      return { body: toUserAnswer(user), session };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/logout',
    name: 'signOut',
    group: 'Account',
    summary: 'End the session of this request',
    access: 'account',
    status: 204,
    means: 'The session has ended',
    handle: async ({ accounts }, { identity }) => {
      if (identity.proof.kind === 'session') await accounts.signOut(identity.proof.hash, identity.userId);
      return { body: undefined, session: null };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/users/me',
    name: 'getProfile',
    group: 'Account',
    summary: 'Read your account',
    access: 'account',
    status: 200,
    answer: userAnswer,
    exampleAnswer: ANA,
    means: 'The account',
    handle: async ({ accounts }, { identity }) => ({ body: toUserAnswer(await accounts.profile(identity)) }),
  }),
  endpoint({
    method: 'PATCH',
    path: '/users/me',
    name: 'changeProfile',
    group: 'Account',
    summary: 'Change your names',
    description: 'A name that is absent stays; null clears it.',
    access: 'account',
    body: z.strictObject(NAMES),
    example: { last_name: 'García' },
    status: 200,
    answer: userAnswer,
    exampleAnswer: { ...ANA, last_name: 'García', updated_at: '2026-11-28T02:38:10.015Z' },
    means: 'The account as it is now',
    handle: async ({ accounts }, { identity, body }) => {
      const { first_name: firstName, middle_name: middleName, last_name: lastName } = body;
      const user = await accounts.rename(identity, {
        ...(firstName !== undefined && { firstName }),
        ...(middleName !== undefined && { middleName }),
        ...(lastName !== undefined && { lastName }),
      });
      return { body: toUserAnswer(user) };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/users/me/password',
    name: 'changePassword',
    group: 'Account',
    summary: 'Change your password',
    description: 'Ends all sessions. A request with a session gets a new one.',
    access: 'account',
    limit: 'sign-in',
    body: z.strictObject({ current: givenPassword, new: newPassword }),
    example: { current: PASSWORD, new: 'another long password' },
    status: 204,
    means: 'The password has changed',
    problems: ['overloaded'],
    handle: async ({ accounts }, { identity, body }) => {
      const session = await accounts.changePassword(identity, body.current, body.new);
      return { body: undefined, ...(session !== undefined && { session }) };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/users/reset',
    name: 'resetPassword',
    group: 'Account',
    summary: 'Choose a new password with the token of an operator',
    description:
      '`keymill users reset` prints a link to a page with this form, and the token in it. It is good once, for an hour.',
    access: 'anyone',
    limit: 'sign-in',
    body: z.strictObject({ token: text({ max: 100 }), new: newPassword }),
    example: { token: 'q8WzN3m0cJ6b5Yt1uVh2rKx4sLp7dEf9aGiBoCjDkHM', new: 'another long password' },
    status: 204,
    means: 'The password has changed, and all sessions have ended',
    hasPage: true,
    problems: ['overloaded', 'no-accounts'],
    handle: async ({ accounts }, { body }) => {
      await accounts.resetPassword(body.token, body.new);
      return { body: undefined };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/users/me',
    name: 'deleteAccount',
    group: 'Account',
    summary: 'Delete your account',
    description:
      'Ends all keys and sessions. The links stay, without an owner, unless `delete_links` is true.',
    access: 'account',
    limit: 'sign-in',
    body: z.strictObject({
      password: givenPassword,
      delete_links: z.boolean({ error: mustBe('true or false') }).optional(),
    }),
    example: { password: 'another long password', delete_links: true },
    status: 204,
    means: 'The account is gone',
    problems: ['overloaded'],
    handle: async ({ accounts }, { identity, body }) => {
      await accounts.delete(identity, body.password, body.delete_links ?? false);
      return { body: undefined, session: null };
    },
  }),
];
