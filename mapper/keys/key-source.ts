/** Options of a take; a key that comes after the time-out is handed to `onLateKeys`. */
export interface TakeOptions {
  readonly timeoutMs: number;
  readonly onLateKeys: (keys: readonly string[]) => void;
}

/** A place from which a mapper takes keys that nobody else gets: a pool, or the counter. */
export interface KeySource {
  readonly name: string;
  /** How many keys it has, as far as is known. */
  readonly level: number;
  readonly isHealthy: boolean;
  /** It handed out a key that was bound already: its keys are checked before use. */
  readonly isSuspect: boolean;
  /** Takes and puts back. */
  readonly pool: {
    /** @throws StoreUnavailableError when it does not answer in time */
    take(count: number, options: TakeOptions): Promise<{ readonly keys: string[]; readonly level: number }>;
    /** @throws StoreUnavailableError when it does not take them back */
    putBack(keys: readonly string[]): Promise<unknown>;
  };
  /** A take has succeeded. @param level how many keys are left */
  answered(level: number): void;
  /** A take has failed. */
  failed(error: unknown): void;
  /** It handed out this key, which was bound already. */
  suspect(key: string): void;
  clear(): void;
  /** A take returned so many texts that are no keys. */
  gaveMalformed(count: number): void;
  /** Whether its next texts have a key among them. Undefined: it has none. */
  hasKeysAhead(timeoutMs: number): Promise<boolean | undefined>;
}
