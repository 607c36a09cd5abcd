/**
 * @returns a function that says whether a password is one of the 50,000 or so that attackers try first, in
 *   any case. The list is loaded with the first question, because it takes some megabytes.
 */
export function createCommonCheck(): (password: string) => Promise<boolean> {
  let common: Promise<ReadonlySet<string>> | undefined;
  return async (password) => {
    common ??= load();
    return (await common).has(password.toLowerCase());
  };
}

async function load(): Promise<ReadonlySet<string>> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  return new Set(dictionary['passwords-common']);
}
