// Converts the result of a tool to plain JSON of a bounded length, for the journal and for a model.

/** Default maximum length of a tool's output, characters. */
export const MAX_OUTPUT = 32_768;

const MAX_DEPTH = 32;

/** A value as JSON; a text in place of each omitted part names the omission. */
export interface Told {
  readonly output: unknown;
  /** Whether something was omitted because of its length. */
  readonly cut: boolean;
}

/**
 * Any value as plain JSON of about `limit` characters. Never throws: cycles, functions, BigInt, binary data and
 * unreadable members become descriptive texts, and a value that is too long ends with the number of omitted characters,
 * items or members.
 */
export function tellable(value: unknown, limit = MAX_OUTPUT): Told {
  const serializer = new Serializer(limit);
  const output = serializer.tell(value);
  return { output: output === undefined ? null : output, cut: serializer.cut };
}

class Serializer {
  cut = false;
  #left: number;
  readonly #above: object[] = [];

  constructor(limit: number) {
    this.#left = limit;
  }

  tell(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'boolean':
        return this.#spend(value, 5);
      case 'number':
        // JSON has no negative zero: the journaled value must equal the one that the model got.
        return Number.isFinite(value) ? this.#spend(value === 0 ? 0 : value, 8) : String(value);
      case 'bigint':
        return this.#text(String(value));
      case 'undefined':
        return undefined;
      case 'object':
        return value === null ? this.#spend(null, 4) : this.#object(value);
      default:
        return `[${typeof value}]`;
    }
  }

  #object(value: object): unknown {
    if (this.#above.includes(value)) return '[circular]';
    if (this.#above.length >= MAX_DEPTH) {
      this.cut = true;
      return '[too deep]';
    }
    this.#above.push(value);
    try {
      return this.#inside(value);
    } catch {
      return '[unreadable]';
    } finally {
      this.#above.pop();
    }
  }

  #inside(value: object): unknown {
    const { toJSON } = value as { toJSON?: unknown };
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[binary, ${value.byteLength} bytes]`;
    if (typeof toJSON === 'function') return this.tell(toJSON.call(value));
    if (value instanceof Error) return { name: value.name, message: this.#text(value.message) };
    if (value instanceof Set) return this.#list([...value]);
    if (value instanceof Map) return this.#members([...value].map(([name, member]) => [String(name), () => member]));
    if (Array.isArray(value)) return this.#list(value);
    const names = Object.keys(value);
    const prototype = Object.getPrototypeOf(value);
    if (names.length === 0 && prototype !== null && prototype !== Object.prototype)
      return `[${prototype.constructor?.name || 'object'}]`;
    return this.#members(names.map((name) => [name, () => (value as Record<string, unknown>)[name]]));
  }

  #list(items: readonly unknown[]): unknown[] {
    const parts: unknown[] = [];
    for (let at = 0; at < items.length; at += 1) {
      if (this.#left <= 0) {
        parts.push(this.#more(items.length - at, 'items'));
        break;
      }
      this.#left -= 1;
      const item = this.tell(items[at]);
      parts.push(item === undefined ? null : item);
    }
    return parts;
  }

  /** Reads members one by one, so that an unreadable one does not lose the others. */
  #members(members: readonly (readonly [string, () => unknown])[]): Record<string, unknown> {
    const parts: [string, unknown][] = [];
    for (const [at, [name, read]] of members.entries()) {
      if (this.#left <= 0) {
        parts.push(['…', this.#more(members.length - at, 'members')]);
        break;
      }
      const member = readable(read);
      if (member === undefined || typeof member === 'function' || typeof member === 'symbol') continue;
      this.#left -= name.length + 4;
      parts.push([name, this.tell(member)]);
    }
    return Object.fromEntries(parts);
  }

  #text(text: string): string {
    this.#left -= text.length + 2;
    if (this.#left >= 0 || text.length <= 64) return text;
    const kept = text.slice(0, Math.max(0, text.length + this.#left));
    // A cut surrogate pair would not be well-formed text.
    const whole = kept.isWellFormed() ? kept : kept.slice(0, -1);
    this.#left = Math.min(this.#left, 0);
    return `${whole}${this.#more(text.length - whole.length, 'characters')}`;
  }

  #more(count: number, of: string): string {
    this.cut = true;
    return `… [${count} more ${of}, left out]`;
  }

  #spend<T>(value: T, length: number): T {
    this.#left -= length;
    return value;
  }
}

function readable(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return '[unreadable]';
  }
}
