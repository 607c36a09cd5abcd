import { Option } from 'commander';
import { UsageError } from './errors.ts';

/** An option with a whole number of at least `min`. @throws UsageError, while parsing, for any other value */
export function wholeNumber(name: string, description: string, min: number): Option {
  return new Option(`${name} <n>`, description).argParser((value) => {
    const number = Number(value);
    if (!/^\d{1,10}$/.test(value) || number < min)
      throw new UsageError(`${name} ${value}: expected a whole number of at least ${min}`);
    return number;
  });
}
