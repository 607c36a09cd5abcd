/**
 * What is made, or loaded, when somebody first asks for it. All who ask meanwhile wait for the same. After a
 * failure the next one who asks tries again.
 */
export class OnDemand<Value> {
  readonly #make: () => Promise<Value>;
  #making: Promise<Value> | undefined;
  #value: Value | undefined;

  constructor(make: () => Promise<Value>) {
    this.#make = make;
  }

  /** Undefined until it is there. */
  get value(): Value | undefined {
    return this.#value;
  }

  /** @throws what making it throws */
  async get(): Promise<Value> {
    this.#making ??= this.#make().then(
      (value) => (this.#value = value),
      (error: unknown) => {
        this.#making = undefined;
        throw error;
      },
    );
    return this.#making;
  }
}
