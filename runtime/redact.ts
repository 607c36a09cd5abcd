/** What stands in a text in the place of a user and password. */
const HIDDEN = '(hidden)';

/**
 * `user:password@`, in a URL or without one. The lengths are limited, so that a long text costs little; a
 * text without @ costs nothing. A colon before two slashes ends the name of a scheme.
 */
const USER_AND_PASSWORD = /[^\s,"'/=:]{0,256}:(?!\/\/)[^\s,"']{0,512}@/g;

/**
 * Hides user and password in every URL and address of a text: `mysql://(hidden)@host:3306/urls`. Every text
 * for a person passes through it: log lines, messages of errors, remarks of commands. It may hide a little
 * too much, such as the port in `http://host:80/@name`.
 */
export function hideCredentials(text: string): string {
  return text.includes('@') ? text.replace(USER_AND_PASSWORD, `${HIDDEN}@`) : text;
}

/**
 * A setting that is wrong, as a message may show it. There may be a password before an @, and a token in the
 * query or fragment of a URL.
 */
export function showSetting(value: string): string {
  return /[@?#]/.test(value) ? HIDDEN : value;
}
