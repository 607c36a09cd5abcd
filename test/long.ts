/** Whether tests run in the sizes that take minutes or hours: `./scripts/test --long PATTERN`. */
export const IS_LONG = process.env['KEYMILL_TEST_LONG'] === '1';
