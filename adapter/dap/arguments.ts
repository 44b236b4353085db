/**
 * Reading the arguments of a request, which come from outside and may be anything. Each reader returns a value of the
 * kind it names or throws a `RequestError` whose sentence names the argument.
 */

/** A request that cannot be answered: one sentence for the user. */
export class RequestError extends Error {
  /** Whether VS Code should show the sentence in a message box, not only where it was asked for. */
  readonly showUser: boolean;

  constructor(message: string, options: { readonly showUser: boolean } = { showUser: false }) {
    super(message);
    this.name = 'RequestError';
    this.showUser = options.showUser;
  }
}

/** The arguments of one request, read by name. */
export class RequestArguments {
  private readonly values: Readonly<Record<string, unknown>>;

  constructor(values: unknown) {
    this.values = isRecord(values) ? values : {};
  }

  /** All of them, unchecked, for a reader with rules of its own. */
  get all(): Readonly<Record<string, unknown>> {
    return this.values;
  }

  text(name: string): string {
    const value = this.values[name];
    if (typeof value !== 'string') throw new RequestError(`The argument \`${name}\` must be a string.`);
    return value;
  }

  optionalText(name: string): string | undefined {
    return this.values[name] === undefined ? undefined : this.text(name);
  }

  /** A whole number within the given bounds. */
  integer(name: string, min = 0, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.values[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      const above = max === Number.MAX_SAFE_INTEGER ? ` of at least ${min}` : ` from ${min} to ${max}`;
      throw new RequestError(`The argument \`${name}\` must be a whole number${above}.`);
    }
    return value;
  }

  optionalInteger(name: string, min = 0, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
    return this.values[name] === undefined ? undefined : this.integer(name, min, max);
  }

  flag(name: string): boolean {
    const value = this.values[name] ?? false;
    if (typeof value !== 'boolean') throw new RequestError(`The argument \`${name}\` must be true or false.`);
    return value;
  }

  /** One of the given words. */
  word<T extends string>(name: string, allowed: readonly T[]): T {
    const found = allowed.find((word) => word === this.values[name]);
    if (found === undefined) {
      throw new RequestError(`The argument \`${name}\` must be one of ${allowed.join(', ')}.`);
    }
    return found;
  }

  optionalWord<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    return this.values[name] === undefined ? undefined : this.word(name, allowed);
  }

  /** A hexadecimal or decimal number given as a string, for values beyond 2^53. */
  optionalNumeral(name: string): bigint | undefined {
    if (this.values[name] === undefined) return undefined;
    const value = parseNumeral(this.text(name));
    if (value === null)
      throw new RequestError(`The argument \`${name}\` must be a number such as "0x400000".`);
    return value;
  }

  object(name: string): RequestArguments {
    const value = this.values[name];
    if (!isRecord(value)) throw new RequestError(`The argument \`${name}\` must be an object.`);
    return new RequestArguments(value);
  }

  optionalObject(name: string): RequestArguments | undefined {
    return this.values[name] === undefined ? undefined : this.object(name);
  }

  /** A list of objects; an absent list is an empty one. */
  objects(name: string): RequestArguments[] {
    const value = this.values[name] ?? [];
    if (!Array.isArray(value) || !value.every(isRecord)) {
      throw new RequestError(`The argument \`${name}\` must be a list of objects.`);
    }
    return value.map((item) => new RequestArguments(item));
  }

  /** A list of strings; an absent list is an empty one. */
  texts(name: string): string[] {
    const value: unknown = this.values[name] ?? [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
      throw new RequestError(`The argument \`${name}\` must be a list of strings.`);
    }
    return value;
  }
}

/** `"0x1f"`, `"31"`: the number, or null when the text is none. */
export function parseNumeral(text: string): bigint | null {
  const trimmed = text.trim();
  return /^(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(trimmed) ? BigInt(trimmed) : null;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
