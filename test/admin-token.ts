/** The admin token of processes that tests start. */
export const ADMIN_TOKEN = 'a-token-for-tests-only';

/** The headers of an operator, who knows the token. */
export const AS_OPERATOR: Readonly<Record<string, string>> = { authorization: `Bearer ${ADMIN_TOKEN}` };
