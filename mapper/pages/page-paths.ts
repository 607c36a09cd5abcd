/** Which paths are pages, so that people are led to none that is not. */
export class PagePaths {
  readonly #patterns: string[] = [];
  readonly #fixed: ReadonlySet<string>;

  /** @param fixed the paths of the API without a parameter */
  constructor(fixed: Iterable<string>) {
    this.#fixed = new Set(fixed);
  }

  /** @param pattern of a page: `/urls/:key` */
  add(pattern: string): void {
    this.#patterns.push(pattern);
  }

  /** Whether a path is not what a pattern says: `/urls/export` is no link with the key `export`. */
  isOther(path: string, pattern: string): boolean {
    return path !== pattern && this.#fixed.has(path);
  }

  /** The page on which somebody has sent a form: its own path, or the nearest one above it. */
  nearestTo(path: string): string | undefined {
    const segments = path.split('/');
    for (let count = segments.length; count > 1; count -= 1) {
      const above = segments.slice(0, count).join('/');
      if (this.#isPage(above)) return above;
    }
    return undefined;
  }

  /**
   * The page that an address names which anybody may have written. Undefined: it is that of another site, or
   * of ours but no page. A short link is none: it leads wherever its maker wants.
   */
  find(address: string | null): string | undefined {
    const origin = 'http://own.invalid';
    if (address?.startsWith('/') !== true) return undefined;
    const url = URL.parse(address, origin);
    if (url === null || url.origin !== origin) return undefined;
    // Without its dots, `/.//other.example` is an address of another site. No page has such a path.
    return this.#isPage(url.pathname) ? url.pathname + url.search : undefined;
  }

  #isPage(path: string): boolean {
    return this.#patterns.some((pattern) => isLike(path, pattern) && !this.isOther(path, pattern));
  }
}

function isLike(path: string, pattern: string): boolean {
  const given = path.split('/');
  const wanted = pattern.split('/');
  return (
    given.length === wanted.length &&
    wanted.every((segment, at) => (segment.startsWith(':') ? given[at] !== '' : segment === given[at]))
  );
}
