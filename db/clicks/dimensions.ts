/**
 * By what clicks are counted besides time. The numbers are stored. `link` is only used for owners: which of
 * their links were followed.
 */
export const DIMENSIONS = {
  referrer: 1,
  country: 2,
  language: 3,
  browser: 4,
  os: 5,
  device: 6,
  link: 7,
} as const;

export type Dimension = keyof typeof DIMENSIONS;

/** In `click_months` and `owner_months`: the month itself, with the value ''. Its sums are complete. */
export const MONTH_ITSELF = 0;

/** No referrer, or nothing known. */
export const NO_VALUE = '';
/** All values beyond {@link MAX_VALUES}. No host, country or name has this form. */
export const OTHER_VALUES = '(other)';

/** Values of one link or owner, dimension and day that one process tells apart, and of a closed month. */
export const MAX_VALUES = 200;
