import { Problem } from '../http/problem.ts';

/** Which methods the pages have, by their paths. */
export class PageMethods {
  readonly #allowed = new Map<string, string[]>();

  /** @param path of a page: `/urls/:key` */
  add(path: string, ...methods: string[]): void {
    this.#allowed.set(path, [...(this.#allowed.get(path) ?? []), ...methods]);
  }

  /** The paths that the API does not have. @param ofApi its paths: `/urls/{key}` */
  pathsBeside(ofApi: readonly string[]): string[] {
    const shapes = new Set(ofApi.map(shapeOf));
    return [...this.#allowed.keys()].filter((path) => !shapes.has(shapeOf(path)));
  }

  /**
   * What is wrong with a request that no page has answered. Undefined: nothing but that only people get the
   * page, so a program is told that there is nothing.
   */
  refusalOf(path: string, method: string): Problem | undefined {
    const allowed = this.#allowed.get(path) ?? [];
    if (!allowed.includes(method))
      return new Problem('method-not-allowed', { headers: { Allow: allowed.join(', ') } });
    return method === 'POST' ? new Problem('wrong-type') : undefined;
  }
}

/** `/urls/:key` and `/urls/{key}` are the same path. */
function shapeOf(path: string): string {
  return path.replaceAll(/:\w+|\{\w+\}/g, '*');
}
