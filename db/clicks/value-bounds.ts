import { MAX_VALUES, OTHER_VALUES } from './dimensions.ts';
import type { SubjectValue } from './subject.ts';

/** Owners, dimensions and days whose values are remembered: some 10 MB when each has all of its values. */
const MAX_DAYS = 2_000;

/**
 * Bounds how many values of an owner, dimension and day this process tells apart: the first
 * {@link MAX_VALUES} of them. Its memory is bounded too: an owner's day that was forgotten begins again.
 */
export class ValueBounds {
  /** In the order of their last use. */
  readonly #seen = new Map<string, Set<string>>();

  /** The value as it is, or as one of the others. */
  bound(ownerId: string, counts: SubjectValue): SubjectValue {
    const { dimension, day, value } = counts;
    if (dimension === 'link' || value === OTHER_VALUES) return counts;
    const values = this.#valuesOf(`${ownerId} ${dimension} ${day}`);
    if (values.has(value)) return counts;
    if (values.size >= MAX_VALUES) return { ...counts, value: OTHER_VALUES };
    values.add(value);
    return counts;
  }

  #valuesOf(id: string): Set<string> {
    const values = this.#seen.get(id) ?? new Set<string>();
    this.#seen.delete(id);
    this.#seen.set(id, values);
    if (this.#seen.size > MAX_DAYS) this.#seen.delete(this.#seen.keys().next().value as string);
    return values;
  }
}
